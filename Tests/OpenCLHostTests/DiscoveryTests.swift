#if OpenCL
import Foundation
import Testing

@testable import OpenCLHost

@Suite struct DiscoveryTests {
  @Test("a run that counts has a device", .enabled(if: environment("CI") != nil, "CI is not set"))
  func continuousIntegrationHasADevice() {
    #expect(hasDevice, "CI is set, but \(noDevice): no device test ran. \(Device.discovery)")
  }

  #if os(Linux)
  // Under oclgrind its device is present whatever the loader would find.
  @Test(.enabled(if: !faithfulDevices.isEmpty || !hasDevice, noFaithfulDevice))
  func noDriverIsAnEmptyList() async {
    await #expect(processExitsWith: .success) {
      let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      setenv("OCL_ICD_VENDORS", folder.path, 1)
      #expect(Device.all.isEmpty)
      #expect(Platform.all.isEmpty)
      #expect(Device.discovery.failures.isEmpty)
    }
  }
  #endif

  @Test func aPlatformThatFailsIsSkippedAndNoted() {
    let failure = OpenCLError(status: -6, call: "clGetDeviceIDs(broken)")
    let found = Discovery(
      platforms: Discovery.platformHandles, devices: { _ in throw failure })
    #expect(found.platforms == Platform.all)
    #expect(found.devices.isEmpty)
    #expect(found.failures == Platform.all.map { _ in failure })
  }

  @Test func aLoaderThatFailsIsNoted() {
    let failure = OpenCLError(status: -6, call: "clGetPlatformIDs()")
    let found = Discovery(platforms: { throw failure }, devices: { _ in [] })
    #expect(found.platforms.isEmpty)
    #expect(found.failures == [failure])
  }

  @Test func discoveryIsStable() {
    #expect(Discovery().devices == Device.all)
    #expect(Platform.all.flatMap(\.devices) == Device.all)
  }

  @Test(.enabled(if: hasDevice, noDevice), arguments: Device.all)
  func propertiesMakeSense(of device: Device) {
    #expect(!device.name.isEmpty)
    #expect(!device.platform.name.isEmpty)
    #expect(device.version.hasPrefix("OpenCL \(device.openCLVersion)"))
    #expect(device.openCLVersion >= OpenCLVersion(1, 2))
    #expect(device.type != [])
    #expect(device.computeUnits > 0)
    #expect(device.maximumWorkGroupSize > 0)
    #expect(device.largestAllocation > 0 && device.largestAllocation <= device.globalMemory)
    #expect(device.localMemory > 0)
    #expect([32, 64].contains(device.addressBits))
    // In bytes: at least the size of a long16; known values are 128 to 512. The driver's bits would
    // be more.
    #expect((128..<1024).contains(device.baseAddressAlignment))
    #expect(device.preferredFloatLanes > 0 && device.nativeFloatLanes > 0)
    #expect(device.hasDouble == device.extensions.contains("cl_khr_fp64"))
    #expect(device.sharesHostMemory || !device.type.contains(.cpu))
    #expect(device.roundsToNearest && device.hasInfinityAndNaN)
  }

  @Test(arguments: [
    ("OpenCL 3.0 PoCL HSTR", OpenCLVersion(3, 0)), ("OpenCL 1.2", OpenCLVersion(1, 2)),
    ("OpenCL 10.12 x", OpenCLVersion(10, 12)), ("OpenCL", OpenCLVersion(0, 0)),
    ("OpenCL 3", OpenCLVersion(0, 0)), ("OpenGL 3.0", OpenCLVersion(0, 0)),
    ("OpenCL 3.x", OpenCLVersion(0, 0)), ("", OpenCLVersion(0, 0)),
  ])
  func versionsAreParsed(text: String, version: OpenCLVersion) {
    #expect(OpenCLVersion(parsing: text) == version)
  }

  @Test func versionsAreOrdered() {
    #expect(OpenCLVersion(1, 2) < OpenCLVersion(2, 0))
    #expect(OpenCLVersion(2, 0) < OpenCLVersion(2, 1))
    #expect("\(OpenCLVersion(1, 2))" == "1.2")
  }

  @Test func typesHaveNames() {
    #expect("\(DeviceType.gpu)" == "GPU")
    #expect("\([.cpu, .accelerator] as DeviceType)" == "CPU, accelerator")
    #expect("\([] as DeviceType)" == "device")
  }
}

private func environment(_ name: String) -> String? {
  ProcessInfo.processInfo.environment[name]
}
#endif
