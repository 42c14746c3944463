import DescentTestSupport

#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import descent_tool

/// What the tool does where one driver of several fails. Each test runs in a process of its own,
/// with Tests/FaultLayer below the loader; PoCL gives two devices if it is configured so.
@Suite(.needsDevice) struct DriverFailureTests {
  private typealias Rows = [[String: Any]]

  /// Whether the driver that tests run on is one that can have several devices.
  private static let hasPoCL = Platform.all.contains { $0.name == "Portable Computing Language" }

  /// The exit status and the results of a call, in a folder of its own.
  private static func call(_ arguments: String...) throws -> (status: Int32, rows: Rows) {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "results.json")
    var status: Int32 = 0
    do {
      var command = try DescentCommand.parseAsRoot(arguments + ["--json", file.path])
      try command.run()
    } catch {
      status = DescentCommand.status(for: error)
    }
    let data = try Data(contentsOf: file)
    let document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    return (status, try #require(document["results"] as? Rows))
  }

  private static func prepare(_ layer: String, fault: String? = nil) {
    CallLayer.load(layer, fault: fault)
    setenv("POCL_DEVICES", "pthread pthread", 1)
    setenv("DESCENT_CACHE", "off", 1)
  }

  @Test("verify says why a case could not be run, and goes on")
  func verifyReason() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.prepare(layer, fault: "clBuildProgram:1:-11")
      let (status, rows) = try Self.call(
        "verify", "--rule", "sgd", "--counts", "5", "--device", "cpu,opencl:0")
      try #require(status == 1)
      let failed = rows.filter { $0["reason"] is String }
      try #require(failed.count == 1 && failed[0]["passed"] as? Bool == false)
      let reason = try #require(failed[0]["reason"] as? String)
      try #require(reason.hasPrefix("clBuildProgram("), "\(reason)")
      try #require(reason.contains(" on \(Device.all[0].name)) returned CL_BUILD_PROGRAM_FAILURE"))
      try #require(rows.allSatisfy { $0.keys.contains("reason") })
      try #require(
        rows.contains { $0["engine"] as? String == "opencl:0" && $0["reason"] is NSNull })
    }
  }

  @Test("a reason is named once for all the cases that it stopped, and is not called out of bounds")
  func verifySentences() {
    var results = (1...5).map {
      VerifyCommand.Result(rule: "sgd", engine: "opencl:0", case: "case \($0)", passed: true)
    }
    for index in 0..<4 {
      results[index].fail(with: OpenCLError(status: -11, call: "clBuildProgram()"))
    }
    results.append(VerifyCommand.Result(rule: "sgd", engine: "cpu", case: "wrong", passed: false))
    #expect(
      VerifyCommand.failures(results) == [
        "Out of bounds: wrong on cpu",
        "Could not run: case 1, case 2, case 3 and 1 more on opencl:0: "
          + "clBuildProgram() returned CL_BUILD_PROGRAM_FAILURE (-11)",
      ])
  }

  @Test("verify opens one context for a device, and builds no program twice")
  func verifyContexts() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.prepare(layer)
      let (status, rows) = try Self.call(
        "verify", "--rule", "sgd,momentum", "--counts", "0,5,17", "--device", "opencl:0")
      try #require(status == 0 && rows.allSatisfy { $0["passed"] as? Bool == true })
      let calls = try CallList(layer).take()
      try #require(calls.count { $0 == "clCreateContext, making" } == 1)
      // The programs that the rules have: each variant flat and cut, and the fused operations that
      // are tested with each kernel. Were they built for each comparison, there would be three to
      // six times as many.
      let variants = try selectedRules("sgd,momentum").flatMap { $0.variants }
      let kernels = Set(variants.map(\.rule.kernel))
      let built = calls.count { $0 == "clBuildProgram, making" }
      try #require(built <= 2 * variants.count + 8 * kernels.count, "\(built) programs were built")
    }
  }

  /// The devices whose results are there, and the errors of the others by device.
  private static func split(_ rows: Rows) -> (whole: [String], errors: [String: String]) {
    var (whole, errors): ([String], [String: String]) = ([], [:])
    for row in rows {
      let device = row["device"] as? String ?? ""
      if let error = row["error"] as? String {
        errors[device] = error
      } else {
        whole.append(device)
      }
    }
    return (whole, errors)
  }

  private static let digits = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Examples/data/digits.csv").standardizedFileURL.path

  @Test("train goes on where a device cannot build, says what failed where, and ends with status 1")
  func train() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.prepare(layer, fault: "clBuildProgram:1:-11")
      let (status, rows) = try Self.call(
        "train", "--data", Self.digits, "--epochs", "1", "--hidden", "2", "--rule", "sgd,adam",
        "--device", "opencl:0,cpu", "--plot", "/dev/null")
      try #require(status == 1 && rows.count == 4)
      try #require(rows.map { $0["error"] != nil } == [true, false, false, false])
      try #require(Set(rows[0].keys) == ["rule", "device", "learningRate", "error"])
      let error = try #require(rows[0]["error"] as? String)
      try #require(error.contains(" on \(Device.all[0].name)) returned CL_BUILD_PROGRAM_FAILURE"))
      try #require(rows[2]["digest"] as? String == rows[3]["digest"] as? String)
    }
  }

  @Test("race goes on where a device cannot build, says what failed where, and ends with status 1")
  func race() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.prepare(layer, fault: "clBuildProgram:1:-11")
      let file = FileManager.default.temporaryDirectory
        .appending(path: "descent-\(UUID().uuidString)").path
      defer { unlink(file) }
      let (status, rows) = try Self.call(
        "race", "--rule", "sgd,adam", "--steps", "3", "--device", "opencl:0,cpu", "--output", file)
      try #require(status == 1 && rows.count == 4)
      try #require(rows.map { $0["error"] is String } == [true, false, false, false])
      try #require(rows.allSatisfy { $0.keys.contains("error") && $0.keys.contains("digest") })
      try #require(rows[0]["digest"] is NSNull && rows[0]["path"] is NSNull)
      try #require(rows[2]["digest"] as? String == rows[3]["digest"] as? String)
      // Both rules are drawn: the first by the engine that could run it.
      let drawing = try String(contentsOfFile: file, encoding: .utf8)
      try #require(drawing.contains("sgd 0") && drawing.contains("adam 0"))
    }
  }

  @Test(
    "bench goes on without a device that fails, whenever that is", .needsGroups(of: 256),
    arguments: [1, 9, 30])
  func bench(_ build: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String, build = build as Int] in
      Self.prepare(layer, fault: "clBuildProgram:\(build):-11")
      let (status, rows) = try Self.call(
        "bench", "--rule", "sgd,adam", "--count", "1000", "--rounds", "2", "--placements", "2",
        "--device", "opencl:0,cpu")
      let (whole, errors) = Self.split(rows)
      try #require(whole.count { $0 == "cpu" } == 3)
      if status == 0 {
        // So many programs are not built.
        try #require(build == 30 && errors.isEmpty)
      } else {
        try #require(status == 1 && errors.keys.sorted() == ["opencl:0"])
        try #require(errors["opencl:0"]?.contains(" on \(Device.all[0].name)) returned") == true)
      }
    }
  }

  @Test("bench measures the others to the end where a launch fails", arguments: [60, 70])
  func benchLaunch(_ launch: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String, launch = launch as Int] in
      Self.prepare(layer, fault: "clEnqueueNDRangeKernel:\(launch):-5")
      let (status, rows) = try Self.call(
        "bench", "--rule", "sgd", "--count", "1000", "--rounds", "2", "--placements", "2",
        "--device", "opencl:0,cpu")
      let (whole, errors) = Self.split(rows)
      try #require(status == 1 && whole.count { $0 == "cpu" } == 2)
      try #require(errors["opencl:0"]?.contains("CL_OUT_OF_RESOURCES") == true)
    }
  }

  @Test(
    "of two devices of one driver, one that fails stops neither the other nor the comparison",
    .enabled(if: hasPoCL, "no PoCL, which makes two devices of a processor"))
  func twoDevices() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.prepare(layer, fault: "clCreateContext:1:-2")
      let (status, rows) = try Self.call(
        "race", "--rule", "sgd", "--steps", "3", "--device", "portable")
      try #require(status == 1)
      try #require(rows.map { $0["device"] as? String } == ["opencl:0", "opencl:1"])
      try #require(rows.map { $0["error"] is String } == [true, false])
    }
  }
}
#endif
