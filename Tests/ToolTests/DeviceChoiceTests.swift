#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent
@testable import descent_tool

/// How devices are named, and what is said of them.
@Suite struct DeviceChoiceTests {
  private func names(_ text: String) throws -> [String] {
    try SelectedEngine.parse(text).map(\.name)
  }

  @Test("a device goes by its number, or by a part of its name or its platform's")
  func parts() throws {
    for (index, device) in Device.all.enumerated() {
      let all = Device.all.enumerated().filter {
        $0.element.name == device.name || $0.element.platform.name == device.platform.name
      }.map { "opencl:\($0.offset)" }
      for name in [device.name, device.platform.name] where !name.contains(",") {
        #expect(try Set(names(name)).isSuperset(of: ["opencl:\(index)"]))
        #expect(try Set(names("opencl:" + name.uppercased())).isSuperset(of: ["opencl:\(index)"]))
        #expect(try Set(names(name)).isSubset(of: Set(all)))
      }
      let part = String(device.platform.name.dropFirst().prefix(5))
      #expect(try names(part).contains("opencl:\(index)"))
      // However it is named, it counts once.
      #expect(
        try names("opencl:\(index),opencl:\(index),\(device.name)").count {
          $0 == "opencl:\(index)"
        } == 1)
    }
    for name in ["", "opencl:", "opencl:99", "opencl:no such device", "99"] {
      #expect(throws: (any Error).self) { try names(name) }
    }
  }

  @Test("everything that a driver does not promise is named, and not called wrong")
  func sameBits() {
    func bits(_ promises: [Bool]) -> SameBits {
      SameBits(
        roundedDivision: promises[0], denormals: promises[1], nearest: promises[2],
        infinityAndNaN: promises[3])
    }
    #expect(bits([true, true, true, true]) == .yes)
    #expect(
      bits([false, false, true, true])
        == .no(
          "the driver does not promise correctly rounded division and square root, denormals"))
    #expect(bits([true, true, true, false]) == .no("the driver does not promise infinity and NaN"))
  }

  private func devices(_ vendors: String) async throws -> String {
    let run = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) { [vendors = vendors as String] in
      setenv("OCL_ICD_VENDORS", vendors, 1)
      unsetenv("OCL_ICD_FILENAMES")
      try #require(DescentCommand.status(of: ["devices"]) == 0)
    }
    return String(decoding: run.standardOutputContent, as: UTF8.self)
  }

  #if os(Linux)
  @Test("a driver that the loader drops is named, with the reason")
  func dropped() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let empty = try await devices(folder.path)
    #expect(
      empty.contains(
        "No OpenCL driver was found. The loader looks for files NAME.icd in \(folder.path): "
          + "none is registered."))
    let file = folder.appending(path: "some.icd")
    try Data("libdescent-none.so.1\n".utf8).write(to: file)
    let text = try await devices(folder.path)
    #expect(text.contains("in \(folder.path): 1 registered."))
    #expect(
      text.contains(
        "The driver of \(file.path) cannot be loaded: libdescent-none.so.1: cannot open "
      ))
    #expect(text.contains("`ldd libdescent-none.so.1`"))
  }
  #endif

  @Test("a platform without devices is named")
  func withoutDevices() {
    let hints = DriverFiles(path: "/nowhere.d").hints(Platform.all, [])
    let none =
      "No OpenCL driver was found. The loader looks for files NAME.icd in /nowhere.d: none is "
    #expect(
      hints
        == (Platform.all.isEmpty
          ? [none + "registered."] : Platform.all.map { "The platform \($0.name) has no device." }))
  }

  @Test("the table has each device's platform and driver")
  func table() async throws {
    let run = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) { try #require(DescentCommand.status(of: ["devices"]) == 0) }
    let text = String(decoding: run.standardOutputContent, as: UTF8.self)
    for device in Device.all {
      #expect(text.contains(device.platform.name) && text.contains(device.driverVersion))
    }
  }
}
#endif
