import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Safetensors

@Suite struct SafetensorsTests {
  private func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  @Test("what is written is read")
  func roundTrip() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/state.safetensors"
      let special: [Float] = [0, -0, 1, -2.5, .infinity, -.infinity, .leastNonzeroMagnitude]
      let large = (0..<100_000).map { Float($0) / 7 }
      let writer = try SafetensorsWriter(
        path,
        tensors: [
          SafetensorsTensor("steps", type: .int64, shape: [2]),
          SafetensorsTensor("special", shape: [7, 1]),
          SafetensorsTensor("scalar", shape: []), SafetensorsTensor("empty", shape: [3, 0]),
          SafetensorsTensor("large", shape: [10, 100, 100]),
          SafetensorsTensor("\"\\\u{1}é🌍", type: .uint8, shape: [3]),
        ], metadata: ["rule": "adam \"x\"\n", "é": ""])
      // In any order and any pieces.
      try writer.append(Array(large[..<70_001]), to: "large")
      try writer.append([7], to: "scalar")
      try writer.append(Array(large[70_001...]), to: "large")
      try writer.append(special, to: "special")
      try writer.append([], to: "empty")
      try [Int64(-5), 1 << 40].withUnsafeBytes { try writer.append($0, to: "steps") }
      try [UInt8(1), 2, 255].withUnsafeBytes { try writer.append($0, to: "\"\\\u{1}é🌍") }
      #expect(
        try folderContents(folder).count == 1 && !FileManager.default.fileExists(atPath: path))
      try writer.commit()
      #expect(try folderContents(folder) == ["state.safetensors"])

      let file = try SafetensorsFile(path)
      try file.verify()
      #expect(
        file.tensors.map(\.name) == ["steps", "special", "scalar", "empty", "large", "\"\\\u{1}é🌍"])
      #expect(file["special"]?.shape == [7, 1] && file["empty"]?.count == 0)
      #expect(file["scalar"]?.shape == [] && file["scalar"]?.count == 1)
      #expect(try bits(file.floats("special")) == bits(special))
      #expect(try file.floats("large") == large)
      #expect(try file.floats("scalar") == [7] && file.floats("empty") == [])
      #expect(
        try file.bytes("steps") == [0xfb] + [UInt8](repeating: 0xff, count: 7)
          + [0, 0, 0, 0, 0, 1, 0, 0])
      #expect(try file.bytes("\"\\\u{1}é🌍") == [1, 2, 255])
      var some = [Float](repeating: 0, count: 3)
      try some.withUnsafeMutableBufferPointer {
        try file.read("large", elements: 4997..<5000, into: $0)
      }
      #expect(some == Array(large[4997..<5000]))
      var bytes = [UInt8](repeating: 0, count: 9)
      try bytes.withUnsafeMutableBytes { try file.read("steps", bytes: 4..<13, into: $0) }
      #expect(bytes == [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0])
      for range in [8..<17, 0..<8] {
        #expect(throws: SafetensorsError.self) {
          try bytes.withUnsafeMutableBytes { try file.read("steps", bytes: range, into: $0) }
        }
      }
      let reader = try SafetensorsReader(path)
      #expect(reader.metadata == ["rule": "adam \"x\"\n", "é": "", "format": "pt"])
      #expect(try reader.floats("large") == large && reader["large"] == file["large"])
    }
  }

  @Test("the bytes of a file are pinned")
  func pinned() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try saveTensors(
        path, [("b", [2], [1, -2]), ("a", [], [0.5])], metadata: ["rule": "sgd", "Z": "é"])
      let data = try Data(contentsOf: URL(filePath: path))
      // The checksums are Python's zlib.crc32.
      let header =
        #"{"__metadata__":{"Z":"é","checksum:a":"crc32:9722f221","#
        + #""checksum:b":"crc32:c3872656","descent.checksum":"crc32:5e4a493c","#
        + #""descent.format":"1","format":"pt","rule":"sgd"},"#
        + #""b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""a":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#
      let padding = -header.utf8.count & 7
      let count = header.utf8.count + padding
      #expect(data.prefix(8) == Data([UInt8(count & 255), UInt8(count >> 8), 0, 0, 0, 0, 0, 0]))
      #expect(
        String(decoding: data[8..<8 + count], as: UTF8.self)
          == header + String(repeating: " ", count: padding))
      #expect(data[(8 + count)...] == Data([0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 0, 63]))
    }
  }

  @Test("CRC-32 is zlib's, in whatever pieces")
  func crc() {
    var check = CRC32()
    check.combine("123456789")
    #expect(CRC32.text(check.value) == "crc32:cbf43926")
    #expect(CRC32.value("crc32:cbf43926") == 0xcbf4_3926 && CRC32().value == 0)
    for text in [
      "crc32:+bf43926", "crc32:cbf4392", "crc33:cbf43926", "crc32:CBF43926", "crc32:cbf4392６", "",
    ] {
      #expect(CRC32.value(text) == nil)
    }
    let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
    for count in 0...bytes.count {
      var crc = ~UInt32(0)
      for byte in bytes[..<count] {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
      }
      var check = CRC32()
      bytes.withUnsafeBytes {
        check.combine(UnsafeRawBufferPointer(rebasing: $0[..<(count / 3)]))
        check.combine(UnsafeRawBufferPointer(rebasing: $0[(count / 3)..<count]))
      }
      #expect(check.value == ~crc)
    }
  }

  @Test("every half becomes the Float it is")
  func halves() {
    for bits in UInt16.min...UInt16.max {
      let (value, expected) = (float(half: bits), Float(Float16(bitPattern: bits)))
      #expect(value.bitPattern == expected.bitPattern || value.isNaN && expected.isNaN)
    }
  }

  @Test("every kind of Double becomes the nearest Float")
  func doubles() {
    func check(_ bits: UInt64, sourceLocation: SourceLocation = #_sourceLocation) {
      let (value, expected) = (float(double: bits), Float(Double(bitPattern: bits)))
      #expect(value.bitPattern == expected.bitPattern, "0x\(String(bits, radix: 16))")
    }
    // Each exponent, with fractions around the ties of every width.
    for exponent in UInt64(0)...2047 {
      for place in 0...52 {
        let bit = UInt64(1) << place
        for fraction in [bit, bit | 1, bit &- 1, bit | bit >> 1, ~bit, ~(bit &- 1)] {
          let bits = exponent << 52 | fraction & 0xf_ffff_ffff_ffff
          check(bits)
          check(bits | 1 << 63)
        }
      }
    }
    for value in [0, 1, Double(Float.greatestFiniteMagnitude), .infinity, .nan, .signalingNaN] {
      check(value.bitPattern)
      check(value.nextUp.bitPattern)
      check((-value).bitPattern)
    }
    for seed in UInt64(0)..<100_000 { check(PinnedSteps.mix(seed)) }
  }

  private static let python = Result {
    try #require(Bundle.module.path(forResource: "Goldens", ofType: nil))
  }

  @Test("a file by Python's safetensors is read as it was written")
  func golden() throws {
    let file = try SafetensorsFile(Self.python.get() + "/python.safetensors")
    try file.verify()
    #expect(file.tensors.count == 17)
    #expect(file.metadata == ["format": "np", "quote": "a \"b\" \\ c\n", "é": "🌍"])
    let special: [Double] = [
      0, -0.0, 1, -2.5, 65504, 6e-8, 1e-3, .infinity, -.infinity, .nan,
    ]
    func expectSame(_ name: String, _ expected: [Float]) throws {
      let values = try file.floats(name, converting: true)
      #expect(
        bits(values.map { $0.isNaN ? .nan : $0 }) == bits(expected.map { $0.isNaN ? .nan : $0 }),
        "\(name)")
    }
    try expectSame("float32", special.map { Float($0) })
    try expectSame("float16", special.map { Float(Float16($0)) })
    try expectSame(
      "bfloat16", [0, -0.0, 1, -2.5, 65536, 0x1.02p-24, 0x1.06p-10, .infinity, -.infinity, .nan])
    try expectSame(
      "float64", special.map { Float($0) } + [1 / 3, .infinity, .leastNonzeroMagnitude])
    #expect(try file.floats("matrix") == [0, 0.25, 0.5, 0.75, 1, 1.25])
    #expect(try file.floats("scalar") == [3.25] && file.floats("empty") == [])
    #expect(try file.floats("name \"with\" \\ é 🌍") == [1])
    #expect(file["matrix"]?.shape == [2, 3] && file["empty"]?.shape == [0, 4])
    #expect(try file.bytes("bool") == [1, 0, 1, 0, 1, 0])
    #expect(try file.bytes("int16").prefix(4) == [0, 0, 1, 0])
    for name in ["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"] {
      let tensor = try #require(file[name])
      #expect(try file.bytes(name).count == 6 * tensor.type.size)
      #expect(
        throws: SafetensorsError.type(
          tensor: name, found: tensor.type, allowed: SafetensorsType.readableAsFloat)
      ) { try file.floats(name, converting: true) }
    }
    #expect(
      throws: SafetensorsError.type(tensor: "float16", found: .float16, allowed: [.float32])
    ) { try file.floats("float16") }
    #expect(throws: SafetensorsError.unknownTensor(file: file.path, name: "other")) {
      try file.floats("other")
    }
  }

  @Test("shards as Hugging Face's index names them are read as one")
  func goldenShards() throws {
    for name in ["model.safetensors", "model.safetensors.index.json"] {
      let reader = try SafetensorsReader(Self.python.get() + "/shards/" + name)
      try reader.verify()
      #expect(reader.tensors.map(\.name).sorted() == ["empty", "float32", "matrix", "scalar"])
      #expect(reader.files.count == 2 && reader.metadata == ["format": "np"])
      #expect(try reader.floats("matrix") == [0, 0.25, 0.5, 0.75, 1, 1.25])
      #expect(try reader.floats("scalar") == [3.25])
      #expect(throws: SafetensorsError.self) { try reader.floats("other") }
    }
  }
}
