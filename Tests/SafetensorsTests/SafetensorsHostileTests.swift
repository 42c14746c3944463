import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// Files that are truncated, altered or malicious: each leads to a typed error with the place,
/// never to a crash.
@Suite struct SafetensorsHostileTests {
  /// A small file of this package.
  private static let whole = Result {
    try withTemporaryFolder { folder in
      let writer = try SafetensorsWriter(
        folder + "/x.safetensors",
        tensors: [
          SafetensorsTensor("steps", type: .int64, shape: [2]),
          SafetensorsTensor("a.weight", shape: [6, 7]), SafetensorsTensor("scalar", shape: []),
          SafetensorsTensor("empty", shape: [0]),
          SafetensorsTensor("half", type: .float16, shape: [3]),
        ], metadata: ["rule": #"{"learningRate":0.001}"#])
      for tensor in writer.tensors {
        let bytes = (0..<tensor.byteCount).map { UInt8($0 & 0xff) }
        try bytes.withUnsafeBytes { try writer.append($0, to: tensor.name) }
      }
      try writer.commit()
      return [UInt8](try Data(contentsOf: URL(filePath: folder + "/x.safetensors")))
    }
  }

  /// The same file as another library might write it, without checksums.
  private static func unsealed(_ header: SafetensorsHeader) -> [UInt8] {
    var header = header
    header.metadata = ["rule": "adam"]
    return header.bytes
  }

  private func bodyStart(_ file: [UInt8]) -> Int { 8 + Int(file[0]) + Int(file[1]) << 8 }

  /// Opens the bytes as a file, and returns the file or the error.
  private func failure(
    opening bytes: [UInt8], _ body: (SafetensorsFile) throws -> Void = { _ in }
  ) throws -> SafetensorsError? {
    try withTemporaryFolder { folder in
      try Data(bytes).write(to: URL(filePath: folder + "/x.safetensors"))
      do {
        try body(SafetensorsFile(folder + "/x.safetensors"))
        return nil
      } catch let error as SafetensorsError {
        return error
      }
    }
  }

  @Test("a file that ends early, anywhere in the header and in 100 places of the body")
  func truncated() throws {
    let file = try Self.whole.get()
    let start = bodyStart(file)
    #expect(try failure(opening: file) { try $0.verify() } == nil)
    let body = file.count - start
    for length in Array(0..<start) + (0..<100).map({ start + $0 * body / 100 }) {
      let error = try failure(opening: Array(file[..<length]))
      guard case .malformed(_, .byte, _, _) = error else {
        Issue.record("\(length): \(String(describing: error))")
        continue
      }
    }
    #expect(try failure(opening: file + [0]) != nil)
  }

  @Test("an altered byte of a header of ours never passes unnoticed")
  func sealedHeader() throws {
    let file = try Self.whole.get()
    let start = bodyStart(file)
    let expected = try SafetensorsHeader(
      Array(file[8..<start]), bodyBytes: file.count - start, file: "")
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      let handle = try #require(fopen(path, "w+"))
      defer { fclose(handle) }
      fwrite(file, 1, file.count, handle)
      for place in 0..<start {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, file[place], file[place] ^ 0x20] as [UInt8]
        where flip != 0 {
          var byte = file[place] ^ flip
          fseek(handle, place, SEEK_SET)
          fwrite(&byte, 1, 1, handle)
          fflush(handle)
          // If the file is accepted, its content is the same: only white space changed.
          if let found = try? SafetensorsFile(path) {
            #expect(
              found.tensors == expected.tensors && found.metadata == expected.metadata,
              "byte \(place) ^ \(flip)")
          }
        }
        fseek(handle, place, SEEK_SET)
        fwrite([file[place]], 1, 1, handle)
      }
    }
  }

  @Test("an altered byte of any header is an error or another header that fits")
  func foreignHeader() throws {
    let file = try Self.whole.get()
    let start = bodyStart(file)
    let bodyBytes = file.count - start
    let header = try SafetensorsHeader(Array(file[8..<start]), bodyBytes: bodyBytes, file: "")
    let bytes = Array(Self.unsealed(header)[8...])
    var passed = 0
    for place in bytes.indices {
      let flipped = (0..<8).map { bytes[place] ^ 1 << $0 }
      for value in flipped + Array("\"\\{}[]:,-09e ".utf8) where value != bytes[place] {
        var altered = bytes
        altered[place] = value
        do throws(SafetensorsError) {
          let found = try SafetensorsHeader(altered, bodyBytes: bodyBytes, file: "")
          #expect(found.bodyBytes == bodyBytes)
          passed += 1
        } catch {
          guard case .malformed(_, let at, let found, let allowed) = error else {
            Issue.record("\(error)")
            continue
          }
          #expect(!found.isEmpty && !allowed.isEmpty && !"\(at)".isEmpty)
        }
      }
    }
    // Most of these changed a name.
    #expect(passed > 100)
  }

  @Test("an altered byte of a body is found by its tensor's checksum")
  func body() throws {
    let file = try Self.whole.get()
    for place in bodyStart(file)..<file.count {
      var altered = file
      altered[place] ^= 1 << (place % 8)
      var owner = ""
      let error = try failure(opening: altered) { file in
        do {
          try file.verify()
        } catch SafetensorsError.checksum(_, .tensor(let name), _, _) {
          owner = name
        }
        for tensor in file.tensors where tensor.type != .int64 {
          if tensor.name == owner {
            #expect(throws: SafetensorsError.self) {
              try file.floats(tensor.name, converting: true)
            }
            #expect(throws: SafetensorsError.self) { try file.bytes(tensor.name) }
          } else {
            _ = try file.floats(tensor.name, converting: true)
          }
        }
      }
      #expect(error == nil && !owner.isEmpty, "byte \(place)")
    }
  }

  private func fileBytes(_ header: [UInt8], body: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + header
      + [UInt8](repeating: 0, count: body)
  }

  @Test("lengths of the header beyond the file, the limit and an Int")
  func lengths() throws {
    for length in [
      0, 1, 3, 4, 100_000_001, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max, .max - 7,
    ] as [UInt64] {
      let error = try failure(opening: fileBytes(Array("{}".utf8), length: length))
      guard case .malformed(_, .byte(0), _, "2 to 2") = error else {
        Issue.record("\(length): \(String(describing: error))")
        continue
      }
    }
    for count in 0..<10 {
      #expect(try failure(opening: [UInt8](repeating: 0, count: count)) != nil)
    }
  }

  /// The fault, the header, and a part of the error's text; 8 bytes follow the header.
  static let headers: [(String, String, String)] = [
    ("no JSON", "xx", "byte 8"), ("an array", "[]", "byte 8"),
    ("white space first", " {}", "byte 8"),
    ("nothing closed", "{ ", "byte 10: the end"), ("no value", #"{"a"}"#, "byte 12"),
    ("two objects", "{}{}", "byte 10"),
    ("a comma at the end", #"{"a":{"dtype":"F32",}}"#, "byte 28"),
    ("a value that is no tensor", #"{"a":1}"#, "byte 13: \"1\"; allowed is an object"),
    ("null", #"{"a":null}"#, "byte 13"),
    ("deep arrays", #"{"a":"# + String(repeating: "[", count: 100_000), "byte 13"),
    ("deep objects", String(repeating: #"{"a":"#, count: 100_000), "deeper nesting"),
    (
      "deep metadata", #"{"__metadata__":{"a":"# + String(repeating: "[", count: 9999),
      "allowed is a string"
    ),
    (
      "a shape within a shape",
      #"{"a":{"shape":[[["#, "byte 23: \"[\"; allowed is a whole number"
    ),
    ("metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#, "for the second time"),
    ("a metadata key twice", #"{"__metadata__":{"a":"","a":""}}"#, "for the second time"),
    ("metadata that is a number", #"{"__metadata__":{"a":1}}"#, "allowed is a string"),
    ("metadata that is no object", #"{"__metadata__":"a"}"#, "allowed is an object"),
    ("a name twice", "{\(entry()),\(entry())}", "byte 62: \"a\" for the second time"),
    ("a name twice, escaped", "{\(entry()),\(entry(#"\u0061"#))}", "\"a\" for the second time"),
    ("a type twice", #"{"a":{"dtype":"F32","dtype":"F32"}}"#, "\"dtype\" for the second time"),
    ("another type's size", "{\(entry(type: "F64"))}", "8 bytes; allowed is 16 bytes"),
    ("no type", #"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "no dtype"),
    ("no shape", #"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, "no shape"),
    ("no offsets", #"{"a":{"dtype":"F32","shape":[2]}}"#, "the offsets []"),
    (
      "bytes that no tensor of an unknown type has", "{\(entry(type: "F4", offsets: "0,4"))}",
      "8 bytes behind the header; allowed is 4"
    ),
    (
      "marks in a name", "{\(entry("a" + String(repeating: "\u{301}\u{316}", count: 16)))}",
      "byte 9: more than 30 combining marks in a row; allowed is up to 30"
    ),
    (
      "marks in a name, escaped", "{\(entry("a" + String(repeating: #"\u0f73"#, count: 31)))}",
      "byte 9: more than 30"
    ),
    (
      "marks in a metadata key",
      #"{"__metadata__":{"\#(String(repeating: "\u{301}", count: 31))":"#,
      "more than 30 combining marks"
    ),
    (
      "marks in a type", "{\(entry(type: "F32" + String(repeating: "\u{327}", count: 40)))}",
      "more than 30 combining marks"
    ),
    (
      "marks in the version",
      #"{"__metadata__":{"descent.format":"1\#(String(repeating: "\u{327}", count: 40))"},"#
        + "\(entry())}", "metadata \"descent.format\""
    ),
    ("one offset", "{\(entry(offsets: "0"))}", "the offsets [0]"),
    ("three offsets", "{\(entry(offsets: "0,8,8"))}", "an array of up to 2"),
    ("offsets the wrong way", "{\(entry(offsets: "8,0"))}", "the offsets [8, 0]"),
    ("a hole in front", "{\(entry(offsets: "4,12"))}", "it begins at 4; allowed is 0"),
    ("a negative offset", "{\(entry(offsets: "-8,0"))}", "a whole number from 0"),
    (
      "offsets beyond the file", "{\(entry(shape: "4", offsets: "0,16"))}",
      "8 bytes behind the header"
    ),
    ("bytes that no tensor has", "{\(entry(shape: "1", offsets: "0,4"))}", "allowed is 4"),
    ("no tensors, but bytes", "{}", "8 bytes behind the header; allowed is 0"),
    (
      "offsets at the end of all numbers",
      "{\(entry(offsets: "9223372036854775800,9223372036854775807"))}",
      "7 bytes; allowed is 8 bytes"
    ),
    (
      "an offset no Int holds", "{\(entry(offsets: "0,9223372036854775808"))}",
      "a number above it; allowed is a whole number"
    ),
    (
      "an offset of many digits",
      "{\(entry(offsets: "0,\(String(repeating: "9", count: 5000))"))}", "a number above it"
    ),
    (
      "an overlap",
      "{\(entry(shape: "1", offsets: "0,4")),\(entry("b", shape: "1", offsets: "2,6"))}",
      "tensor \"b\": it begins at 2; allowed is 4"
    ),
    (
      "two in one place", "{\(entry()),\(entry("b"))}", "it begins at 0; allowed is 8"
    ),
    (
      "a hole", "{\(entry(shape: "1", offsets: "0,4")),\(entry("b", shape: "0", offsets: "8,8"))}",
      "it begins at 8; allowed is 4"
    ),
    ("a negative size", "{\(entry(shape: "-2"))}", "allowed is a whole number"),
    ("a fraction", "{\(entry(shape: "2.0"))}", "allowed is a whole number"),
    ("an exponent", "{\(entry(shape: "2e0"))}", "allowed is a whole number"),
    ("an infinite number", "{\(entry(shape: "1e999"))}", "allowed is a whole number"),
    ("NaN", "{\(entry(shape: "NaN"))}", "\"N\"; allowed is a whole number"),
    ("a leading zero", "{\(entry(shape: "02"))}", "a leading zero"),
    ("a size in quotes", "{\(entry(shape: "\"2\""))}", "allowed is a whole number"),
    (
      "a product that overflows", "{\(entry(shape: "4611686018427387904,4"))}",
      "more bytes than can be counted"
    ),
    (
      "bytes that overflow", "{\(entry(shape: "9223372036854775807"))}",
      "more bytes than can be counted"
    ),
    (
      "sixty-five sizes",
      "{\(entry(shape: [String](repeating: "1", count: 65).joined(separator: ",")))}",
      "an array of up to 64"
    ),
    ("an escape of no meaning", "{\(entry(#"\x"#))}", "byte 11"),
    ("half a surrogate pair", "{\(entry(#"\ud800"#))}", "half a surrogate pair"),
    ("the second half alone", "{\(entry(#"\udc00"#))}", "half a surrogate pair"),
    ("two first halves", "{\(entry(#"\ud800\ud800"#))}", "half a surrogate pair"),
    ("half an escape", #"{"\u00"#, "four hexadecimal digits"),
    ("a line break in a name", "{\(entry("a\nb"))}", "a control character only as an escape"),
    ("an open string", #"{"abc"#, "byte 13: the end"),
  ]

  private static func entry(
    _ name: String = "a", type: String = "F32", shape: String = "2", offsets: String = "0,8"
  ) -> String {
    #""\#(name)":{"dtype":"\#(type)","shape":[\#(shape)],"data_offsets":[\#(offsets)]}"#
  }

  @Test("headers that are wrong", arguments: headers.indices)
  func wrong(_ index: Int) throws {
    let (what, header, message) = Self.headers[index]
    let error = try failure(opening: fileBytes(Array(header.utf8), body: 8))
    let text = error.map { "\($0)" } ?? "nothing"
    #expect(text.contains(message), "\(what): \(text)")
    #expect(text.utf8.count < 1000)
  }

  @Test("names that are no UTF-8")
  func encoding() throws {
    for bad in [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]] {
      let header = Self.entry("%").utf8.flatMap { $0 == 0x25 ? bad.map { UInt8($0) } : [$0] }
      let error = try failure(opening: fileBytes([0x7b] + header + [0x7d], body: 8))
      #expect(error.map { "\($0)" }?.contains("byte 10: a string that is no UTF-8") == true)
      #expect(try failure(opening: fileBytes([0xef, 0xbb, 0xbf, 0x7b, 0x7d])) != nil)
    }
  }

  @Test("what is odd but right is read")
  func odd() throws {
    func opens(
      _ header: String, body: Int = 8, _ check: (SafetensorsFile) throws -> Bool
    ) throws {
      let error = try failure(opening: fileBytes(Array(header.utf8), body: body)) { file in
        let holds = try check(file)
        #expect(holds, "\(header)")
      }
      #expect(error == nil, "\(header): \(String(describing: error))")
    }
    try opens("{}", body: 0) { $0.tensors.isEmpty }
    try opens("{ } \n\t\r ", body: 0) { $0.metadata.isEmpty }
    try opens("{\(Self.entry())}   ") { try $0.floats("a") == [0, 0] }
    try opens("{\(Self.entry(#"\ud83c\udf0d\/\b\f\n\r\t\"\\\u00e9"#))}") {
      $0["🌍/\u{8}\u{c}\n\r\t\"\\é"]?.count == 2
    }
    try opens(#"{"a":{"data_offsets":[0,8],"shape":[],"dtype":"I64"}}"#) { $0["a"]?.count == 1 }
    let far = "9223372036854775807"
    try opens("{\(Self.entry(shape: "0,\(far),\(far)", offsets: "0,0"))}", body: 0) {
      try $0.floats("a") == []
    }
    // Empty tensors at the offsets of others, in any order in the header.
    try opens(
      "{\(Self.entry("z", shape: "0", offsets: "8,8")),\(Self.entry("b", shape: "1", offsets: "4,8")),"
        + "\(Self.entry("y", shape: "0", offsets: "4,4")),\(Self.entry(shape: "1", offsets: "0,4"))}"
    ) { $0.tensors.map(\.name) == ["a", "y", "b", "z"] }
  }

  @Test("what is no file, and a file that shrinks while it is read")
  func noFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      for other in [folder, "/dev/zero"] {
        #expect(throws: SafetensorsError.misuse("\(other) is no regular file")) {
          try SafetensorsFile(other)
        }
      }
      mkfifo(folder + "/pipe", 0o600)
      #expect(throws: SafetensorsError.self) { try SafetensorsFile(folder + "/pipe") }
      #expect(throws: SafetensorsError.system(call: "open", path: path, code: ENOENT)) {
        try SafetensorsFile(path)
      }
      try Data(Self.whole.get()).write(to: URL(filePath: path))
      let file = try SafetensorsFile(path)
      truncate(path, try Self.whole.get().count - 150)
      #expect {
        try file.floats("a.weight")
      } throws: {
        "\($0)".contains("the file's end")
      }
    }
  }
}
