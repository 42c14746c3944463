import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// Sets of shards.
@Suite struct SafetensorsShardTests {
  private static func tensors(
    _ value: Float
  ) -> [(name: String, shape: [Int], values: [Float])] {
    ["a", "b", "c", "d", "e"].enumerated().map { index, name in
      (name, [index * 4], [Float](repeating: value + Float(index), count: index * 4))
    }
  }

  /// Saves tensors of 0, 16, 32, 48 and 64 bytes.
  private func save(_ path: String, _ value: Float, size: Int = 50) throws {
    try saveTensors(path, Self.tensors(value), metadata: ["v": "\(value)"], shardSize: size)
  }

  private func expect(_ value: Float, at path: String) throws {
    let reader = try SafetensorsReader(path)
    try reader.verify()
    #expect(reader.metadata == ["v": "\(value)", "format": "pt"] && reader.tensors.count == 5)
    // Hugging Face's libraries check this in each file.
    #expect(reader.files.allSatisfy { $0.metadata["format"] == "pt" })
    for tensor in Self.tensors(value) {
      #expect(try reader.floats(tensor.name) == tensor.values)
      #expect(reader[tensor.name]?.shape == tensor.shape)
    }
  }

  @Test("more than the size is cut between tensors, and read as one")
  func cut() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.safetensors"
      try save(path, 1)
      let names = (1...3).map { "m-0000\($0)-of-00003.safetensors" }
      #expect(try folderContents(folder) == names + ["m.safetensors.index.json"])
      try expect(1, at: path)
      #expect(try SafetensorsReader(path).files.map(\.tensors.count) == [3, 1, 1])
      let index = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: path + ".index.json")))
      let map = try #require((index as? [String: Any])?["weight_map"] as? [String: String])
      #expect(map == ["a": names[0], "b": names[0], "c": names[0], "d": names[1], "e": names[2]])
      let metadata = try #require((index as? [String: Any])?["metadata"] as? [String: Any])
      #expect(metadata["total_size"] as? Int == 160)
    }
  }

  @Test("a shard size below 1 is refused, and no file is written", arguments: [0, -1])
  func size(_ size: Int) throws {
    try withTemporaryFolder { folder in
      #expect {
        try save(folder + "/m.safetensors", 1, size: size)
      } throws: {
        "\($0)" == "a shard size of \(size) bytes; allowed is 1 or more"
      }
      let contents = try folderContents(folder)
      #expect(contents.isEmpty)
    }
  }

  @Test("a set that replaces another takes new names, and a single file takes a set's place")
  func replaced() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.safetensors"
      try Data([1]).write(to: URL(filePath: folder + "/m-other.safetensors"))
      try save(path, 1)
      try save(path, 2)
      #expect(try folderContents(folder).filter { $0.hasPrefix("m.2-") }.count == 3)
      #expect(try folderContents(folder).count == 5)
      try expect(2, at: path)
      try save(path, 3, size: 64)
      #expect(try folderContents(folder).filter { $0.hasPrefix("m-0") }.count == 3)
      #expect(try folderContents(folder).count == 5)
      try expect(3, at: path)
      try save(path, 4, size: 160)
      #expect(try folderContents(folder) == ["m-other.safetensors", "m.safetensors"])
      try expect(4, at: path)
      try save(path, 5, size: 1)
      #expect(try folderContents(folder).count == 4 + 2)
      try expect(5, at: path)
    }
  }

  @Test("a set that is not whole is refused")
  func torn() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.safetensors"
      try save(path, 1)
      try FileManager.default.createDirectory(
        atPath: folder + "/other", withIntermediateDirectories: false)
      try save(folder + "/other/m.safetensors", 2)
      let shard = "/m-00002-of-00003.safetensors"
      let data = try Data(contentsOf: URL(filePath: folder + shard))
      try FileManager.default.removeItem(atPath: folder + shard)
      #expect {
        try SafetensorsReader(path)
      } throws: {
        $0 as? SafetensorsError == .system(call: "open", path: folder + shard, code: ENOENT)
      }
      try FileManager.default.copyItem(
        atPath: folder + "/other" + shard, toPath: folder + shard)
      #expect {
        try SafetensorsReader(path)
      } throws: {
        "\($0)".contains("m-00002-of-00003.safetensors: metadata \"descent.set\"")
      }
      try data.write(to: URL(filePath: folder + shard))
      try expect(1, at: path)
    }
  }

  @Test("an index leads nowhere else and names what is there")
  func hostileIndex() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/in", withIntermediateDirectories: false)
      try saveTensors(folder + "/x.safetensors", [("w", [1], [1])])
      try saveTensors(folder + "/in/x.safetensors", [("w", [1], [1])])
      let path = folder + "/in/m.safetensors.index.json"
      func message(_ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(filePath: path))
        do {
          _ = try SafetensorsReader(folder + "/in/m.safetensors")
          return ""
        } catch {
          return "\(error)"
        }
      }
      #expect(try message(#"{"weight_map":{"w":"x.safetensors"}}"#) == "")
      for name in [
        "../x.safetensors", "/etc/x.safetensors", "in/x.safetensors", "..", ".", "",
        "..safetensors", ".safetensors", "x.safetensors/", "x.safetensors\\u0000.safetensors",
        "x.json", String(repeating: "x", count: 300) + ".safetensors",
      ] {
        #expect(
          try message(#"{"weight_map":{"w":"\#(name)"}}"#).contains("entry \"w\": "), "\(name)")
      }
      let deep = String(repeating: "[", count: 100_000)
      for (text, place) in [
        (#"{"weight_map":{"w":"none.safetensors"}}"#, "No such file"),
        (#"{"weight_map":{"w":"x.safetensors","v":"x.safetensors"}}"#, "entry \"v\""),
        (#"{"weight_map":{"v":"x.safetensors"}}"#, "entry \"v\": \"x.safetensors\""),
        (
          #"{"weight_map":{"w\#(String(repeating: "\u{301}", count: 31))":"x.safetensors"}}"#,
          "byte 15: more than 30 combining marks"
        ),
        (#"{"weight_map":{"w":"x.safetensors","w":"x.safetensors"}}"#, "for the second time"),
        (#"{"weight_map":{"w":1}}"#, "byte 19"), (#"{"metadata":{}}"#, "no weight_map"),
        ("", "byte 0: the end"), ("[]", "byte 0"), (#"{"weight_map":{}} x"#, "byte 18"),
        (#"{"metadata":{"a":\#(deep)"#, "deeper nesting"),
        (#"{"x":{"x":\#(deep)"#, "deeper nesting"),
        (
          #"{"metadata":{"descent.set":"crc32:00000000"},"weight_map":{"w":"x.safetensors"}}"#,
          "set"
        ),
        (#"{"metadata":{"a":nul}}"#, "allowed is null"), (#"{"a":-}"#, "byte 6"),
        (#"{"a":1.}"#, "byte 7"), (#"{"a":1e}"#, "byte 7"), (#"{"a":01}"#, "byte 6"),
      ] {
        let found = try message(text)
        #expect(found.contains(place), "\(text.prefix(80)): \(found)")
      }
      #expect(
        try message(
          #"{"a":[1,-2.5e+3,0,1E-2,true,false,null,"\ud83c\udf0d"],"weight_map":{"w":"x.safetensors"}}"#
        ) == "")
    }
  }
}
