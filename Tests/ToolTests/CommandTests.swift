import ArgumentParser
import Descent
import Foundation
import Testing

@testable import Training
@testable import descent_tool

/// The subcommands, called as the command line calls them.
@Suite struct CommandTests {
  static let digits = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Examples/data/digits.csv").standardizedFileURL.path

  /// What the command line says of these arguments, or nothing if it takes them.
  private func complaint(_ arguments: String...) -> String {
    do {
      var command = try DescentCommand.parseAsRoot(arguments)
      try command.run()
      return ""
    } catch {
      return DescentCommand.message(for: error)
    }
  }

  @Test("an unknown rule or device is refused with the known ones")
  func unknownNames() {
    #expect(
      complaint("train", "--data", Self.digits, "--rule", "adamm").hasPrefix(
        "there is no rule \"adamm\"; there is sgd, momentum, nesterov, adagrad"))
    #expect(
      complaint("train", "--data", Self.digits, "--device", "gpu").hasPrefix(
        "there is no device \"gpu\"; there is automatic, cpu, reference"))
    #expect(
      complaint("verify", "--device", "opencl:99").hasPrefix(
        "there is no device \"opencl:99\"; there is automatic, cpu, reference"))
    #expect(complaint("verify", "--rule", "sgd,").hasPrefix("there is no rule \"\""))
  }

  @Test("numbers that cannot be are refused")
  func numbers() {
    #expect(
      complaint("train", "--data", "x.csv", "--epochs", "0")
        == "--epochs is 0; allowed is 1 to 1000000")
    #expect(
      complaint("train", "--data", "x.csv", "--learning-rate", "-1")
        == "adam: learningRate is -1.0; allowed is a number of at least 0 that a Float can hold")
    #expect(
      complaint("verify", "--counts", "3,x") == "--counts: \"x\" is not a number of elements")
    #expect(complaint("train", "--data", "x.csv", "--batch", "many").contains("many"))
  }

  @Test("wrong calls end with status 2, failures with 1")
  func statuses() {
    #expect(status("train", "--data", "x.csv", "--epochs", "0") == 2)
    #expect(status("trian") == 2)
    #expect(status("verify", "--rule", "none") == 2)
    #expect(status("train", "--data", "/nowhere/at/all.csv") == 1)
    #expect(status("verify", "--counts", "1", "--rule", "sgd", "--device", "cpu") == 0)
    #expect(status("--help") == 0)
  }

  @Test("a layer that no memory holds is an error of its own, before anything is made")
  func memory() async throws {
    let run = try await #require(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) {
      // As much as the process has, and a little.
      var limit = rlimit()
      try #require(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        .split(separator: " ")
      limit.rlim_cur = rlim_t((Int(pages[0]) ?? 0) * Int(getpagesize()) + 512 << 20)
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      let status = DescentCommand.status(of: [
        "train", "--data", CommandTests.digits, "--hidden", "1000000", "--epochs", "1", "--rule",
        "sgd", "--device", "cpu",
      ])
      try #require(status == 1)
    }
    let text = String(decoding: run.standardErrorContent, as: UTF8.self)
    #expect(text.contains("--hidden 1000000 makes 75000010 parameters, which need"), "\(text)")
    let trainer = Trainer(
      training: try Dataset.load(path: Self.digits), test: try Dataset.load(path: Self.digits),
      hidden: 10)
    try trainer.checkMemory([Adam.self])
    #expect(throws: Trainer.MemoryShortage.self) {
      try trainer.checkMemory([Adam.self], limit: 9000)
    }
  }

  @Test("files that cannot be read are named")
  func files() {
    #expect(
      complaint("train", "--data", "/nowhere/at/all.csv") == "/nowhere/at/all.csv: no such file")
    #expect(
      complaint("verify", "--counts", "1", "--rule", "sgd", "--trajectories", "/nowhere/at/all")
        .hasPrefix("/nowhere/at/all/inputs.json: "))
  }

  @Test("--json writes every documented key")
  func json() throws {
    let file = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    func results(_ arguments: [String]) throws -> [String: Set<String>] {
      var command = try DescentCommand.parseAsRoot(arguments + ["--json", file.path])
      try command.run()
      let data = try Data(contentsOf: file)
      let document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      let rows = try #require(document["results"] as? [[String: Any]])
      return Dictionary(
        rows.map { ("\($0["engine"] ?? $0["device"] ?? $0["name"] ?? "")", Set($0.keys)) }
      ) {
        $0.union($1)
      }
    }
    let devices = try results(["devices"])
    #expect(
      devices["cpu"] == [
        "name", "type", "description", "platform", "driver", "memoryBytes",
        "largestAllocationBytes", "lanes", "correctlyRounded", "half", "double", "sameBits",
        "reason", "automatic",
      ])
    let train = try results([
      "train", "--data", Self.digits, "--epochs", "1", "--hidden", "4", "--device", "cpu",
    ])
    #expect(
      train["cpu"] == [
        "rule", "device", "learningRate", "steps", "finalLoss", "trainAccuracy", "testAccuracy",
        "millisecondsPerStep", "digest", "losses",
      ])
    let verify = try results(["verify", "--rule", "sgd", "--device", "reference", "--counts", "3"])
    #expect(
      verify["reference"] == [
        "rule", "engine", "case", "bitsApart", "worstUlp", "error", "peerError", "passed",
        "reason",
      ])
  }

  @Test("without a driver everything runs on the CPU engine, and says so")
  func noDriver() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let folder = FileManager.default.temporaryDirectory
        .appending(path: "descent-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      setenv("OCL_ICD_VENDORS", folder.path, 1)
      for arguments in [
        ["devices"],
        ["verify", "--counts", "5", "--rule", "adam"],
        ["train", "--data", CommandTests.digits, "--epochs", "1", "--hidden", "2"],
      ] {
        var command = try DescentCommand.parseAsRoot(arguments)
        try command.run()
      }
    }
    let text = String(decoding: result.standardOutputContent, as: UTF8.self)
    #expect(text.contains("Automatic takes cpu: "))
    #if OpenCL
    #expect(text.contains("there is no OpenCL device"))
    #expect(text.contains("No OpenCL driver was found."))
    #endif
    #expect(!text.contains("opencl:0"))
  }
}

@Suite struct TrainingTests {
  #if DEBUG
  /// Debug builds compute the gradients some forty times more slowly.
  static let (rules, epochs) = (["sgd", "nesterov"], 5)
  #else
  static let (rules, epochs) = (Rules.all.map { $0.name }, 20)
  #endif

  @Test(
    "on the digits every method learns, and ends with the same bits everywhere", arguments: rules)
  func digits(_ name: String) throws {
    let (training, test) = try Dataset.load(path: CommandTests.digits).split(seed: 1)
    let trainer = Trainer(
      training: training.standardised(by: training), test: test.standardised(by: training),
      epochs: Self.epochs)
    let rule = try Trainer.rule(Rules.named(name), learningRate: nil)
    let outcomes = try SelectedEngine.all.map { ($0.name, try trainer.run(rule, on: $0.choice)) }
    for (engine, outcome) in outcomes {
      #expect(outcome.testAccuracy >= 0.95, "\(engine)")
      #expect(outcome.digest == outcomes[0].1.digest, "\(engine)")
      #expect(outcome.finalLoss < outcome.losses[0] / 10)
    }
  }
}
