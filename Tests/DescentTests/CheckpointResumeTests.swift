import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// 20 steps are 7 steps, a checkpoint, and 13 steps in a new process on another engine: the same
/// bits.
@Suite struct CheckpointResumeTests {
  /// Goes on in this process from every file of a folder, each on another engine than the one that
  /// wrote it, and prints the digests.
  private static func goOn(_ folder: String) throws {
    let engines = try TestEngines.choices()
    for file in try folderContents(folder) {
      let parts = file.split(separator: ".")[0].split(separator: "-")
      let (kind, engine) = (parts[0], try #require(Int(parts[2])))
      let checkpoint = try Checkpoint(folder + "/" + file)
      let choice = engines[(engine + 1) % engines.count]
      var parameters = [Float](repeating: 0, count: SmallModel.steps.count)
      let optimizer: Optimizer
      if kind == "variant" {
        // As a trainer does that makes its optimizer first.
        let variants = Rules.all.flatMap { $0.variants }
        let variant = variants[try #require(Int(parts[1]))]
        optimizer = try Optimizer(
          variant.rule, layout: SmallModel.layout(for: variant.rule), on: choice)
        try optimizer.load(from: checkpoint, parameters: &parameters)
        try SmallModel.train(optimizer, &parameters, 8...20)
      } else {
        optimizer = try Optimizer(checkpoint, on: choice)
        try checkpoint.readParameters(into: &parameters, layout: optimizer.layout)
        if kind == "controlled" {
          try SmallModel.trainControlled(optimizer, &parameters, 8...20)
        } else {
          try SmallModel.trainLookAhead(optimizer, &parameters, 8...20)
        }
      }
      print("\(file) \(try SmallModel.digest(optimizer, parameters))")
    }
  }

  @Test("every rule, in a new process on another engine")
  func everyRule() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("descent-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var expected: [String: String] = [:]

    for (number, variant) in Rules.all.flatMap({ $0.variants }).enumerated() {
      var parameters = SmallModel.steps.parameters
      let straight = try Optimizer(
        variant.rule, layout: SmallModel.layout(for: variant.rule), on: .cpu)
      try SmallModel.train(straight, &parameters, 1...20)
      let digest = "\(try SmallModel.digest(straight, parameters))"
      for (engine, choice) in try TestEngines.choices().enumerated() {
        let file = "variant-\(number)-\(engine).safetensors"
        var parameters = SmallModel.steps.parameters
        let optimizer = try Optimizer(
          variant.rule, layout: SmallModel.layout(for: variant.rule), on: choice)
        try SmallModel.train(optimizer, &parameters, 1...7)
        try optimizer.save(to: folder + "/" + file, parameters: parameters)
        expected[file] = digest
      }
    }
    func run(
      _ kind: String, _ make: (EngineChoice) throws -> Optimizer,
      _ train: (Optimizer, inout [Float], ClosedRange<Int>) throws -> Void
    ) throws {
      var parameters = SmallModel.steps.parameters.map { $0.magnitude < 1e3 ? $0 : 1 }
      let start = parameters
      let straight = try make(.cpu)
      try train(straight, &parameters, 1...20)
      let digest = "\(try SmallModel.digest(straight, parameters))"
      for (engine, choice) in try TestEngines.choices().enumerated() {
        let file = "\(kind)-0-\(engine).safetensors"
        parameters = start
        let optimizer = try make(choice)
        try train(optimizer, &parameters, 1...7)
        try optimizer.save(to: folder + "/" + file, parameters: parameters)
        expected[file] = digest
      }
    }
    try run("controlled", SmallModel.controlled, SmallModel.trainControlled)
    try run(
      "ahead",
      {
        try Optimizer(
          Nesterov(momentum: SmallModel.lookAhead[1]), layout: SmallModel.layout(), on: $0)
      }, SmallModel.trainLookAhead)

    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) { [folder = folder as String] in
      try Self.goOn(folder)
    }
    let text = String(decoding: result.standardOutputContent, as: UTF8.self)
    var found: [String: String] = [:]
    for line in text.split(separator: "\n") where line.contains(".safetensors ") {
      let words = line.split(separator: " ")
      found[String(words[0])] = String(words[1])
    }
    #expect(found == expected)
    #expect(expected.count >= 3 * (Rules.all.flatMap { $0.variants }.count + 2))
  }

  @Test("step counts, skipped steps, the loss scale and frozen groups go along")
  func control() throws {
    let optimizer = try SmallModel.controlled(on: .cpu)
    var parameters = [Float](repeating: 0.5, count: SmallModel.steps.count)
    try SmallModel.trainControlled(optimizer, &parameters, 1...9)
    let status = try optimizer.status
    #expect(status.stepCount == 8 && status.skippedStepCount == 1)
    #expect(status.groupStepCounts == ["default": 8, "biases": 3])
    #expect(status.layout.group("biases")?.isFrozen == true)
    #expect(status.clipping == .globalNorm(2) && status.skipsNonFinite)
    let scale = try #require(status.lossScale)
    #expect(scale.growthInterval == 3 && scale.stepsSinceChange < 3 && scale.scale != 64)
    for choice in try TestEngines.choices() {
      let twin = try Optimizer(optimizer.state, on: choice)
      #expect(try twin.status == status)
      #expect(try twin.states() == optimizer.states())
      #expect(try twin.state == optimizer.state)
    }
  }
}
