import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// Names of files, of tensors and of metadata keys.
@Suite struct SafetensorsPathTests {
  private static let values: [(name: String, shape: [Int], values: [Float])] = [
    ("a", [2], [1, 2]), ("b", [1], [3]),
  ]

  private func expectValues(at path: String) throws {
    let reader = try SafetensorsReader(path)
    try reader.verify()
    for (name, _, values) in Self.values { #expect(try reader.floats(name) == values) }
  }

  @Test(
    "whatever name shards are saved to, they are read from it",
    arguments: [
      ".best", "a..b", "...", "\u{301}x", "x\u{301}", "x\u{600}", "\r",
      "\u{200d}", "👩‍", "a-b", " ",
    ])
  func shardNames(_ stem: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/" + stem + ".safetensors"
      for size in [Int.max, 8, 8, .max] {
        do {
          try saveTensors(path, Self.values, shardSize: size)
        } catch SafetensorsError.misuse {
          // Rejected before any file was changed.
          #expect(stem == "..." && size == 8)
          #expect(try folderContents(folder).count == 1)
        }
        try expectValues(at: path)
      }
      #expect(
        try folderContents(folder).map { Array($0.utf8) } == [Array("\(stem).safetensors".utf8)])
    }
  }

  @Test("a path that is cut by a NUL character is refused by all that take one")
  func nul() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try saveTensors(path, Self.values)
      for cut in [path + "\0", path + "\0.safetensors.index.json", folder + "/y\0.safetensors"] {
        func refuses(_ body: () throws -> Void) {
          #expect {
            try body()
          } throws: {
            $0 is SafetensorsError && "\($0)".contains("NUL character at byte")
          }
        }
        refuses { _ = try SafetensorsFile(cut) }
        refuses { _ = try SafetensorsReader(cut) }
        refuses { try saveTensors(cut, Self.values) }
        refuses { try saveTensors(cut, Self.values, shardSize: 8) }
      }
      #expect(try folderContents(folder) == ["x.safetensors"])
    }
  }

  @Test(
    "a name may be as long as the system allows",
    arguments: [200, 231, 232, 233, 243, 244, 245, 254, 255])
  func longNames(_ length: Int) throws {
    try withTemporaryFolder { folder in
      // Characters of two bytes each, so that the name may be cut inside a character.
      let stem = String(repeating: "é", count: (length - 12) / 2)
      let name =
        String(repeating: "x", count: length - 12 - stem.utf8.count) + stem + ".safetensors"
      #expect(name.utf8.count == length)
      let path = folder + "/" + name
      let left = TemporaryNames(path).path(7)
      #expect(split(left).name.utf8.count <= 255)
      try Data([1]).write(to: URL(filePath: left))
      try saveTensors(path, Self.values)
      try expectValues(at: path)
      #expect(try folderContents(folder) == [name])
      if length <= 240 {
        try saveTensors(path, Self.values, shardSize: 8)
        try expectValues(at: path)
      } else {
        #expect {
          try saveTensors(path, Self.values, shardSize: 8)
        } throws: {
          "\($0)".contains("has up to 225 bytes before .safetensors")
        }
        #expect(try folderContents(folder) == [name])
      }
    }
  }

  @Test("names and keys of many combining marks are not written, texts of them are")
  func marks() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let (few, many) = (
        "a" + String(repeating: "\u{316}\u{301}", count: 15),
        "a" + String(repeating: "\u{316}\u{301}", count: 15) + "\u{316}"
      )
      #expect(few.isStreamSafe && !many.isStreamSafe)
      #expect(!String(repeating: "\u{f73}", count: 31).isStreamSafe)
      #expect((many + few).firstExcessiveMark == many.unicodeScalars.indices.last)
      try saveTensors(path, [(few, [1], [1])], metadata: [few: many])
      let file = try SafetensorsFile(path)
      #expect(try file.floats(few) == [1])
      #expect(file.metadata[few] == many)
      for body in [
        { try saveTensors(path, [(many, [1], [1])]) },
        { try saveTensors(path, [], metadata: [many: ""]) },
      ] {
        #expect {
          try body()
        } throws: {
          guard case .declaration(many, _) = $0 as? SafetensorsError else { return false }
          return "\($0)".contains("more than 30 combining marks in a row")
        }
      }
      #expect(try SafetensorsFile(path).floats(few) == [1])
    }
  }
}
