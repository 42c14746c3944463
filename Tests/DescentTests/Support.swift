import Foundation
import Testing

@testable import Descent
@testable import descent_tool

#if OpenCL
import OpenCLHost
#endif

extension Trait where Self == ConditionTrait {
  /// Skips aloud where there is no OpenCL device.
  static var needsDevice: Self {
    #if OpenCL
    .enabled(if: !Device.all.isEmpty, "no OpenCL device")
    #else
    .disabled("built without OpenCL")
    #endif
  }
}

extension RuleVariant: CustomTestStringConvertible {
  public var testDescription: String { name }
}

/// Files beside the tests.
func goldensFolder() throws -> String {
  try #require(Bundle.module.path(forResource: "Goldens", ofType: nil))
}

#if OpenCL
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

/// Every engine to test on.
func choices() throws -> [EngineChoice] {
  var choices = [EngineChoice.automatic, .cpu, .reference]
  #if OpenCL
  choices += try TestDevices.queues.get().map { .openCL($0) }
  #endif
  return choices
}
