import Descent
import DescentTestSupport
import Foundation
import Safetensors
import Testing

/// Files and paths of others' making, opened as checkpoints.
@Suite struct CheckpointForeignTests {
  /// A file with the header, and with as many bytes behind it as `body` says.
  private func write(_ header: String, body: Int, to path: String) throws {
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    try Data(length + header.utf8 + (0..<body).map { UInt8($0) }).write(to: URL(filePath: path))
  }

  @Test("tensors of a type that cannot be keep no other from being read, but from being copied")
  func unknownType() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try write(
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
          + #""q":{"dtype":"F4","shape":[6],"data_offsets":[4,7]}}"#, body: 7, to: path)
      let checkpoint = try Checkpoint(path)
      try checkpoint.verify()
      #expect(checkpoint.reader.unreadable == ["q": "the type \"F4\""])
      var layout = ParameterLayout()
      try layout.append("a", shape: [1])
      var parameters: [Float] = [9]
      #expect(try checkpoint.readParameters(into: &parameters, layout: layout).loaded == ["a"])
      #expect(parameters == [Float(bitPattern: 0x0302_0100)])
      // What cannot be copied is not left out of a copy.
      #expect {
        try checkpoint.write(to: folder + "/copy.safetensors")
      } throws: {
        $0 is CheckpointError && "\($0)".contains("cannot be written again")
      }
      #expect(try folderContents(folder) == ["x.safetensors"])
    }
  }

  @Test("metadata that is null is none")
  func nullMetadata() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try write(#"{"__metadata__": null}"#, body: 0, to: path)
      #expect(try Checkpoint(path).status == nil)
      #expect(try Checkpoint(path).metadata.isEmpty)
    }
  }

  @Test("a checkpoint has the tensors that an index names, and no others")
  func staleCopies() throws {
    try withTemporaryFolder { folder in
      let index = folder + "/m.safetensors.index.json"
      try saveTensors(folder + "/a.safetensors", [("w", [1], [1]), ("x", [1], [2])])
      try saveTensors(folder + "/b.safetensors", [("x", [1], [3]), ("z", [1], [4])])
      try Data(#"{"metadata":null,"weight_map":{"w":"a.safetensors","x":"b.safetensors"}}"#.utf8)
        .write(to: URL(filePath: index))
      let reader = try Checkpoint(index).reader
      #expect(try reader.tensors.count == 2 && reader.floats("x") == [3])
    }
  }

  @Test("a path that is cut by a NUL character is refused by all that take one")
  func nul() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try saveTensors(path, [("w", [2], [1, 2])])
      for cut in [path + "\0", path + "\0.safetensors.index.json", folder + "/y\0.safetensors"] {
        func refuses(_ body: () throws -> Void) {
          #expect {
            try body()
          } throws: {
            $0 is SafetensorsError && "\($0)".contains("NUL character at byte")
          }
        }
        refuses { _ = try Checkpoint(cut) }
        refuses { try Checkpoint(path).write(to: cut) }
        let optimizer = try Optimizer(
          SGD(learningRate: 1), layout: ParameterLayout(), on: .reference)
        refuses { try optimizer.save(to: cut) }
        refuses { try optimizer.load(from: cut) }
      }
      #expect(try folderContents(folder) == ["x.safetensors"])
    }
  }

  // Normalized, the text would take minutes.
  @Test("an entry format of many combining marks is given as it is", .timeLimit(.minutes(1)))
  func format() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let text = "p" + String(repeating: "\u{301}\u{323}", count: 300_000)
      try saveTensors(path, [("w", [1], [1])], metadata: ["format": text])
      let found = try #require(try Checkpoint(path).metadata["format"])
      #expect(found.utf8.elementsEqual(text.utf8))
      try saveTensors(path, [("w", [1], [1])])
      #expect(try Checkpoint(path).metadata.isEmpty)
      #expect(try SafetensorsReader(path).metadata == ["format": "pt"])
    }
  }

  @Test("texts of many combining marks in an optimizer's metadata are refused")
  func marksInMetadata() throws {
    let marks = String(repeating: "\u{301}\u{316}", count: 20)
    for text in [#""a\#(marks)""#, #"{"a\#(marks)":1}"#, #"["\u0061\#(marks)"]"#] {
      #expect {
        try JSONValue(text)
      } throws: {
        "\($0)".contains("more than 30 combining marks")
      }
    }
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      for key in ["optimizer.version", "pytorch.version", "pytorch.optimizer"] {
        try saveTensors(path, [], metadata: [key: "1" + marks])
        #expect {
          try Checkpoint(path)
        } throws: {
          $0 is CheckpointError && "\($0)".contains("metadata \"\(key)\": more than 30")
        }
      }
    }
  }
}
