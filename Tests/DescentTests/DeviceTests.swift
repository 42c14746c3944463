#if OpenCL
import DescentTestSupport
import Foundation
import OpenCLHost
import Testing

@Suite struct DeviceTests {
  @Test(
    "there is a device to test on",
    .enabled(
      if: ProcessInfo.processInfo.environment["CI"] != nil || !Device.all.isEmpty,
      "no OpenCL device: nothing that needs one was tested"))
  func present() {
    #expect(!TestDevices.working.isEmpty, "CI is set, and no OpenCL device was found that works")
  }

  @Test(
    "there is a device to compare bits on",
    .enabled(
      if: !TestDevices.devices.isEmpty,
      "no OpenCL device promises the same bits: nothing was compared bit by bit"))
  func comparable() throws {
    #expect(try !TestDevices.queues.get().isEmpty)
  }
}
#endif
