#if OpenCL
/// A version of OpenCL, as in 3.0.
public struct OpenCLVersion: Sendable, Hashable, Comparable {
  /// The number before the dot.
  public let major: Int

  /// The number after the dot.
  public let minor: Int

  /// Makes a version to compare with.
  public init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// Parses a driver's text, such as `OpenCL 3.0 CUDA`. Anything else counts as 0.0, which is older
  /// than all versions.
  init(parsing text: String) {
    let words = text.split(separator: " ")
    let numbers = words.count > 1 ? words[1].split(separator: ".").map { Int($0) } : []
    if words.first == "OpenCL", numbers.count == 2, let major = numbers[0], let minor = numbers[1] {
      self.init(major, minor)
    } else {
      self.init(0, 0)
    }
  }

  /// Whether `left` is the older one.
  public static func < (left: OpenCLVersion, right: OpenCLVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
}

extension OpenCLVersion: CustomStringConvertible {
  public var description: String { "\(major).\(minor)" }
}
#endif
