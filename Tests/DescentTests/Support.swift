import Foundation
import Testing

@testable import Descent
@testable import descent_tool

extension Tag {
  /// Needs an OpenCL device.
  @Tag static var device: Self
}

extension RuleVariant: CustomTestStringConvertible {
  public var testDescription: String { name }
}

/// Files beside the tests.
func goldensFolder() throws -> String {
  try #require(Bundle.module.path(forResource: "Goldens", ofType: nil))
}

#if OpenCL
import OpenCLHost

/// The devices that tests run on. Without any they pass over nothing, and say so; where CI is set,
/// that is a failure.
enum TestDevices {
  static let queues: Result<[CommandQueue], any Error> = Result {
    try Device.all.filter { $0.isAvailable && $0.sameBits.isYes }
      .map { try CommandQueue(Context($0)) }
  }
}

@Suite struct DeviceTests {
  @Test(
    "there is a device to test on",
    .enabled(
      if: ProcessInfo.processInfo.environment["CI"] != nil || !Device.all.isEmpty,
      "no OpenCL device: nothing that needs one was tested"))
  func present() throws {
    #expect(try !TestDevices.queues.get().isEmpty, "CI is set, and no OpenCL device was found")
  }
}
#endif
