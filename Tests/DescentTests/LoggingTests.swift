import DescentTestSupport
import Logging
import Synchronization
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Keeps what is logged.
private final class Records: Sendable {
  struct Record: Equatable {
    let level: Logger.Level
    let message: String
    let metadata: [String: String]
  }

  private let records = Mutex<[Record]>([])

  var all: [Record] { records.withLock { $0 } }
  func append(_ record: Record) { records.withLock { $0.append(record) } }

  func logger(_ level: Logger.Level = .trace) -> Logger {
    var logger = Logger(label: "test") { _ in Handler(records: self) }
    logger.logLevel = level
    return logger
  }

  private struct Handler: LogHandler {
    let records: Records
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      records.append(
        Record(
          level: event.level, message: "\(event.message)",
          metadata: (event.metadata ?? [:]).mapValues { "\($0)" }))
    }
  }
}

@Suite struct LoggingTests {
  @Test("an optimizer that goes on from a state or a file takes a logger")
  func resumed() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 3), on: .reference)
      try optimizer.save(to: path)
      let records = Records()
      let twins = try [
        Optimizer(Checkpoint(path), on: .reference, logger: records.logger()),
        Optimizer(optimizer.state, on: .reference, logger: records.logger()),
      ]
      #expect(twins.allSatisfy { $0.logger != nil })
      #expect(
        records.all.map(\.message)
          == [String](repeating: "updates run on reference: asked for", count: 2))
    }
  }

  @Test("the engine and the reason for it are told at info")
  func engine() throws {
    let records = Records()
    let optimizer = try Optimizer(
      SGD(), layout: ParameterLayout(count: 3), on: .reference, logger: records.logger())
    #expect(
      records.all == [
        .init(
          level: .info, message: "updates run on reference: asked for",
          metadata: ["engine": "reference"])
      ])
    let automatic = Records()
    let other = try Optimizer(
      SGD(), layout: ParameterLayout(count: 3), logger: automatic.logger(.info))
    #expect(
      automatic.all.map(\.message) == [
        "updates run on \(other.engineName): \(AutomaticChoice().reason)"
      ])
    var parameters: [Float] = [1, 2, 3]
    try optimizer.step(&parameters, gradients: [1, 1, 1])
    #expect(records.all.count == 1)
  }

  @Test("settings that a state replaces are told of, and no others")
  func replaced() throws {
    var layout = ParameterLayout()
    try layout.append("w", shape: [3])
    try layout.append("b", shape: [2], group: "biases")
    let saved = try Optimizer(SGD(learningRate: 0.5), layout: layout, on: .reference)
    saved.clipping = .globalNorm(1)
    let records = Records()
    let optimizer = try Optimizer(
      SGD(learningRate: 0.5), layout: layout, on: .reference, logger: records.logger(.notice))
    try optimizer.load(saved.state)
    #expect(
      records.all.map(\.metadata) == [["clipping": "none → \(Clipping.globalNorm(1))"]])
    try optimizer.load(saved.state)
    #expect(records.all.count == 1 && optimizer.clipping == .globalNorm(1))
    let schedule = Schedule.constant(0.25)
    optimizer.rule = SGD(learningRate: 1)
    optimizer.schedule = schedule
    optimizer.skipsNonFinite = true
    optimizer.leftOut = ["w"]
    optimizer.averaging = ParameterAverage(decay: 0.5)
    optimizer.clipping = .globalNorm(2)
    try optimizer.setGroup("biases", to: ParameterGroup(weightDecay: 0))
    try optimizer.setLossScale(LossScale(scale: 8))
    try optimizer.accumulate([1, 2, 3, 4, 5])
    try withTemporaryFolder { folder in
      try saved.save(to: folder + "/run.safetensors")
      try optimizer.load(from: folder + "/run.safetensors")
      let record = try #require(records.all.last)
      #expect(
        record.message
          == "settings are replaced by those of \(folder)/run.safetensors: rule, schedule, clipping, "
          + "skipsNonFinite, lossScale, averaging, leftOut, accumulatedCount, group biases")
      #expect(record.metadata["schedule"] == "\(schedule) → none")
      #expect(record.metadata["rule"] == "\(SGD(learningRate: 1)) → \(SGD(learningRate: 0.5))")
      #expect(record.metadata["lossScale"] == "\(LossScale(scale: 8)) → none")
      #expect(record.metadata.count == 9 && records.all.count == 2)
    }
  }

  @Test("a skipped step is told of with the count and the loss scale, on every engine")
  func skipped() throws {
    for choice in try TestEngines.choices() {
      let records = Records()
      let optimizer = try Optimizer(
        Adam(), layout: ParameterLayout(count: 3), on: choice, logger: records.logger(.notice))
      try optimizer.setLossScale(LossScale(scale: 8))
      var parameters: [Float] = [1, 2, 3]
      try optimizer.step(&parameters, gradients: [8, 8, 8])
      #expect(records.all.isEmpty)
      try optimizer.step(&parameters, gradients: [8, .infinity, 8])
      #expect(
        records.all == [
          .init(
            level: .notice, message: "skipped: the gradient was not finite",
            metadata: [
              "steps": "1", "skippedStepCount": "1", "stepCount": "1", "norm": "inf",
              "lossScale": "4.0",
            ])
        ], "\(optimizer.engineName)")
      optimizer.logger = nil
      try optimizer.step(&parameters, gradients: [8, .nan, 8])
      #expect(try records.all.count == 1 && optimizer.skippedStepCount == 2)
    }
  }

  #if OpenCL
  @Test("programs are told of when they are made, and not when they are shared", .needsDevice)
  func programs() throws {
    for known in try TestDevices.queues.get() {
      let queue = try CommandQueue(Context(known.device))
      let records = Records()
      let layout = try ParameterLayout(count: 3)
      let optimizer = try Optimizer(
        Adam(), layout: layout, on: .openCL(queue), logger: records.logger())
      #expect(records.all.map(\.level) == [.debug, .info])
      #expect(records.all.first?.message.hasSuffix(" the OpenCL program of adam") == true)
      #expect(["built", "loaded"].contains(records.all.first?.metadata["origin"]))
      _ = try Optimizer(Adam(), layout: layout, on: .openCL(queue), logger: records.logger(.debug))
      #expect(records.all.map(\.level) == [.debug, .info, .info])
      // A logger that is set later receives messages about programs that are made later.
      let late = Records()
      optimizer.logger = late.logger()
      optimizer.skipsNonFinite = true
      var parameters: [Float] = [1, 2, 3]
      try optimizer.step(&parameters, gradients: [1, 1, 1])
      #expect(late.all.contains { $0.message.hasSuffix(" the OpenCL program of norm") })
      try optimizer.accumulate([1, 1, 1])
      #expect(late.all.last?.message.hasSuffix(" the OpenCL program of accumulate") == true)
      #expect(late.all.last?.level == .debug)
      #expect(records.all.count == 3)
    }
  }

  @Test("a logger that is set late hears of the programs for sums and their norms", .needsDevice)
  func late() throws {
    for known in try TestDevices.queues.get() {
      let queue = try CommandQueue(Context(known.device))
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 3), on: .openCL(queue))
      optimizer.skipsNonFinite = true
      var parameters: [Float] = [1, 2, 3]
      try optimizer.step(&parameters, gradients: [1, 1, 1])
      let records = Records()
      optimizer.logger = records.logger()
      try optimizer.accumulate([1, 1, 1])
      try optimizer.step(&parameters, gradients: [1, 1, 1])
      let names = records.all.map { $0.message.split(separator: " ").last }
      #expect(names.filter { $0 == "accumulate" }.count == 1, "\(names)")
      #expect(names.contains("norm"), "\(names)")
    }
  }
  #endif
}
