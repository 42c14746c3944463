#if OpenCL
internal import CDescentOpenCL

/// Queries one object by one of OpenCL's `clGet…Info` functions.
struct Info {
  typealias Get = (cl_uint, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int

  private let call: String
  private let object: String
  private let get: Get

  /// - Parameters:
  ///   - call: The function's name, for errors.
  ///   - object: The object's name, for errors.
  init(_ call: String, of object: String, _ get: @escaping Get) {
    self.call = call
    self.object = object
    self.get = get
  }

  /// A value; `zero` gives the type.
  func value<T: BitwiseCopyable>(_ key: Int32, _ zero: T) throws -> T {
    try DriverProcess.require()
    var value = zero
    try check(get(cl_uint(key), MemoryLayout<T>.size, &value, nil), subject(key))
    return value
  }

  /// A `cl_uint` or `cl_ulong` or `size_t` as an `Int`.
  func integer<T: FixedWidthInteger & BitwiseCopyable>(_ key: Int32, _: T.Type) throws -> Int {
    Int(clamping: try value(key, T.zero))
  }

  func flag(_ key: Int32) throws -> Bool { try value(key, cl_bool(0)) != 0 }

  /// All elements of an array; `zero` gives their type.
  func array<T: BitwiseCopyable>(_ key: Int32, _ zero: T) throws -> [T] {
    try DriverProcess.require()
    var bytes = 0
    try check(get(cl_uint(key), 0, nil, &bytes), subject(key))
    var elements = [T](repeating: zero, count: bytes / MemoryLayout<T>.stride)
    guard !elements.isEmpty else { return [] }
    try check(get(cl_uint(key), bytes, &elements, nil), subject(key))
    return elements
  }

  /// A string, without the NUL and the blanks that some drivers put around it.
  func string(_ key: Int32) throws -> String {
    let text = try array(key, UInt8(0)).prefix { $0 != 0 }
    return String(decoding: text, as: UTF8.self).trimmed
  }

  private func subject(_ key: Int32) -> String {
    "\(call)(\(object), 0x\(String(key, radix: 16)))"
  }
}

extension String {
  /// The text without white space at either end.
  var trimmed: String {
    let start = drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}
#endif
