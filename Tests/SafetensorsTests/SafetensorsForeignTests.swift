import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// Files of other programs: the requested tensors can be read, whatever else is in the file.
@Suite struct SafetensorsForeignTests {
  /// A file with this header, followed by bytes of 0, 1, 2 and so on.
  private func write(_ header: String, body: Int, to path: String) throws {
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    try Data(length + header.utf8 + (0..<body).map { UInt8($0) }).write(to: URL(filePath: path))
  }

  private func entry(
    _ name: String, _ type: String, _ shape: String, _ offsets: String, _ rest: String = ""
  ) -> String {
    #""\#(name)":{"dtype":"\#(type)","shape":[\#(shape)],"data_offsets":[\#(offsets)]\#(rest)}"#
  }

  @Test(
    "tensors of a type or name that cannot be keep no other from being read",
    arguments: ["F4", "F6_E2M3", "F6_E3M2", "F31", "f32", ""])
  func unknownType(_ type: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try write(
        "{\(entry("q", type, "6", "4,7")),\(entry("a", "F32", "1", "0,4")),"
          + "\(entry("b", "U8", "2", "7,9")),\(entry("", "U8", "0", "9,9"))}", body: 9, to: path)
      let file = try SafetensorsFile(path)
      #expect(file.tensors.map(\.name) == ["a", "b"] && file["q"] == nil)
      #expect(file.unreadable == ["q": "the type \"\(type)\"", "": "an empty name"])
      #expect(try file.floats("a") == [Float(bitPattern: 0x0302_0100)])
      #expect(try file.bytes("b") == [7, 8])
      try file.verify()
      func refuses(_ read: () throws -> Void) {
        #expect {
          try read()
        } throws: {
          "\($0)".hasPrefix(
            "\(path): tensor \"q\": the type \"\(type)\"; allowed is a name and one")
        }
      }
      refuses { _ = try file.bytes("q") }
      refuses { _ = try file.floats("q", converting: true) }
      refuses { _ = try SafetensorsReader(path).floats("q") }
    }
  }

  @Test("metadata that is null is none, and keys that are not known are nothing")
  func odd() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try write(
        #"{"__metadata__": null ,"#
          + entry("a", "U8", "2", "0,2", #","extra":{"a":[1,{}],"a":null},"dtypes":"F4""#) + "}",
        body: 2, to: path)
      let file = try SafetensorsFile(path)
      #expect(try file.metadata == [:] && file.bytes("a") == [0, 1])
      for metadata in ["nul", "[]", "1", #"{"a":null}"#, "null,\"__metadata__\":{}"] {
        try write(#"{"__metadata__":\#(metadata)}"#, body: 0, to: path)
        #expect(throws: SafetensorsError.self) { try SafetensorsFile(path) }
      }
    }
  }

  @Test("each tensor is read from the file that the index names, and the rest is ignored")
  func staleCopies() throws {
    try withTemporaryFolder { folder in
      let index = folder + "/m.safetensors.index.json"
      try write(
        "{\(entry("w", "F32", "1", "0,4")),\(entry("x", "U8", "1", "4,5")),"
          + "\(entry("q", "F4", "2", "5,6"))}", body: 6, to: folder + "/a.safetensors")
      try write(
        "{\(entry("x", "F32", "1", "0,4")),\(entry("w", "U8", "1", "4,5")),"
          + "\(entry("z", "U8", "0", "5,5")),\(entry("q", "U8", "1", "5,6"))}", body: 6,
        to: folder + "/b.safetensors")
      func map(_ entries: String) throws {
        try Data(#"{"metadata":null,"weight_map":{\#(entries)}}"#.utf8)
          .write(to: URL(filePath: index))
      }
      try map(#""w":"a.safetensors","x":"b.safetensors","q":"a.safetensors""#)
      let reader = try SafetensorsReader(folder + "/m.safetensors")
      #expect(reader.tensors.map(\.name) == ["w", "x"] && reader["z"] == nil)
      #expect(reader["w"]?.type == .float32 && reader["x"]?.type == .float32)
      #expect(try reader.floats("x") == [Float(bitPattern: 0x0302_0100)])
      #expect(reader.unreadable == ["q": "the type \"F4\""])
      #expect {
        try reader.floats("q")
      } throws: {
        "\($0)".hasPrefix("\(folder)/a.safetensors: tensor \"q\": the type \"F4\"")
      }
      try reader.verify()

      try map(#""w":"b.safetensors","q":"b.safetensors""#)
      let other = try SafetensorsReader(index)
      #expect(other["w"]?.type == .uint8 && other["q"]?.type == .uint8)
      #expect(other.tensors.count == 2 && other.unreadable == [:])
      #expect(throws: SafetensorsError.self) { try other.floats("x") }
      try map(#""z":"a.safetensors""#)
      #expect {
        try SafetensorsReader(index)
      } throws: {
        "\($0)".contains("entry \"z\": \"a.safetensors\"; allowed is a file that has the tensor")
      }
    }
  }

  @Test("a copy that nobody asked for may be altered")
  func alteredCopy() throws {
    try withTemporaryFolder { folder in
      try saveTensors(folder + "/a.safetensors", [("w", [1], [1]), ("x", [1], [2])])
      try saveTensors(folder + "/b.safetensors", [("w", [1], [3])])
      var bytes = try Data(contentsOf: URL(filePath: folder + "/a.safetensors"))
      bytes[bytes.count - 8] ^= 1
      try bytes.write(to: URL(filePath: folder + "/a.safetensors"))
      try Data(#"{"weight_map":{"w":"b.safetensors","x":"a.safetensors"}}"#.utf8)
        .write(to: URL(filePath: folder + "/m.safetensors.index.json"))
      let reader = try SafetensorsReader(folder + "/m.safetensors")
      try reader.verify()
      #expect(try reader.floats("w") == [3] && reader.floats("x") == [2])
      #expect(throws: SafetensorsError.self) {
        try SafetensorsFile(folder + "/a.safetensors").verify()
      }
    }
  }
}
