import ArgumentParser
import CeilingPasses
import Descent
import Foundation
import OpenCLHost

@main
struct Ceiling: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Times every rule on every device against a bare pass over the same streams.")

  @Option(help: "Elements in a vector.")
  var count = 33_554_432

  @Option(help: "How often each is timed, step and ceiling in turn.")
  var rounds = 9

  @Option(help: "How often the rounds are repeated, each time in other memory.")
  var placements = 3

  @Option(help: "Threads of the CPU engine and of its ceiling.")
  var threads = ProcessInfo.processInfo.activeProcessorCount

  @Option(help: "Only this rule as compiled, as adam; may be repeated.")
  var rule: [String] = []

  @Option(help: "Only this device, cpu or opencl:N; may be repeated.")
  var device: [String] = []

  @Option(
    help: "On OpenCL, this many lanes × items in a group, as 16x256; may be repeated.",
    transform: Self.launchShape)
  var shape: [LaunchShape] = []

  @Option(help: "Also write the rows to this file.")
  var json: String?

  @Option(help: "Fail if a step moves less than this fraction of its ceiling.")
  var require: Double?

  func validate() throws {
    guard count > 0, rounds > 0, placements > 0, threads > 0 else {
      throw ValidationError("count, rounds, placements and threads are at least 1")
    }
  }

  private static func launchShape(_ text: String) throws -> LaunchShape {
    let numbers = text.split(separator: "x").compactMap { Int($0) }
    guard numbers.count == 2 else { throw ValidationError("a shape is written as 16x256") }
    return LaunchShape(lanes: numbers[0], groupSize: numbers[1])
  }

  /// One setting for each compiled kernel.
  static let rules: [any UpdateRule] = Rules.all.flatMap { $0.variants }.map(\.rule)
    .reduce(into: []) { rules, rule in
      if !rules.contains(where: { $0.kernel == rule.kernel }) { rules.append(rule) }
    }

  func run() throws {
    let rules = Self.rules.filter { rule.isEmpty || rule.contains($0.kernel) }
    guard !rules.isEmpty else {
      throw ValidationError("rule is one of \(Self.rules.map(\.kernel).joined(separator: ", "))")
    }
    print(Report.header)
    var rows: [Row] = []
    for rule in rules {
      let measured = try measure(rule)
      for row in measured { print(Report.line(row)) }
      rows += measured
    }
    if let json { try Report.write(rows, to: json) }
    if let require, let low = rows.first(where: { $0.fraction < require }) {
      throw CeilingError.low("\(low.rule) on \(low.device) is below \(require) of its ceiling")
    }
  }

  private func makeRunners(_ rule: any UpdateRule) throws -> [any Runner] {
    let openCL = Device.all.enumerated().filter { $1.isAvailable && $1.hasCompiler }
    let known = ["cpu"] + openCL.map { "opencl:\($0.offset)" }
    for name in device where !known.contains(name) {
      throw CeilingError.noDevice(name, known: known)
    }
    var runners: [any Runner] = []
    if device.isEmpty || device.contains("cpu") {
      runners.append(try CPURunner(rule, count: count, threads: threads))
    }
    for (index, found) in openCL where device.isEmpty || device.contains("opencl:\(index)") {
      for shape in shape.isEmpty ? [LaunchShape(for: found)] : shape {
        runners.append(
          try OpenCLRunner(
            rule, count: count, device: found, label: "opencl:\(index)", shape: shape))
      }
    }
    return runners
  }

  /// The rows of a rule. Where in memory vectors lie can make a tenth of the speed, so they are
  /// made anew for every placement.
  private func measure(_ rule: any UpdateRule) throws -> [Row] {
    var rows: [Row] = []
    for _ in 0..<placements {
      let runners = try makeRunners(rule)
      if rows.isEmpty { rows = runners.map { Row(rule, $0, count: count) } }
      try time(runners, &rows)
      try check(rule, runners)
    }
    return rows
  }

  /// Step and ceiling by turns, so that whatever else the machine does meets both.
  private func time(_ runners: [any Runner], _ rows: inout [Row]) throws {
    for round in 0...rounds {
      for (index, runner) in runners.enumerated() {
        let step = try milliseconds { try runner.step() }
        let pass = try milliseconds { try runner.pass() }
        // The first round touches the memory, builds the kernels' code and is not counted.
        if round == 0 { continue }
        rows[index].steps.append(step)
        rows[index].passes.append(pass)
      }
    }
  }

  private func milliseconds(_ body: () throws -> Void) rethrows -> Double {
    let duration = try ContinuousClock().measure(body)
    return Double(duration.components.attoseconds) * 1e-15
      + Double(duration.components.seconds) * 1e3
  }

  /// Throws unless every element is what the steps and passes must have made of it: the first ones
  /// by the reference, all of them by a digest that exact devices share.
  private func check(_ rule: any UpdateRule, _ runners: [any Runner]) throws {
    let expected = try Expected(rule, count: min(count, 5000), steps: rounds + 1)
    var digests: [(digest: Digest, name: String)] = []
    for runner in runners where runner.isExact {
      var outcome = [try runner.parameters()]
      for name in runner.optimizer.stateNames { outcome.append(try runner.optimizer.state(name)) }
      try expected.check(outcome, passes: runner.passOutcome(), runner.name)
      var digest = Digest()
      for vector in outcome { digest.combine(vector) }
      digests.append((digest, runner.name))
    }
    for (digest, name) in digests where digest != digests[0].digest {
      throw CeilingError.wrong("\(rule.kernel) differs between \(digests[0].name) and \(name)")
    }
  }
}

/// The first elements after all steps and passes, worked out one by one.
struct Expected {
  private let step: [[Float]]
  private let pass: [[Float]]

  init(_ rule: any UpdateRule, count: Int, steps: Int) throws {
    let optimizer = try Optimizer(rule, layout: ParameterLayout(count: count), on: .reference)
    let gradients = (0..<count).map(Inputs.gradient)
    var parameters = (0..<count).map(Inputs.parameter)
    var passed = parameters
    var state: Float = 0
    for _ in 0..<steps {
      try optimizer.step(&parameters, gradients: gradients)
      for index in passed.indices { passed[index] += gradients[index] * ceiling_tiny }
      state += ceiling_tiny
    }
    step = try [parameters] + optimizer.stateNames.map { try optimizer.state($0) }
    pass = [passed] + optimizer.stateNames.map { _ in Array(repeating: state, count: count) }
  }

  func check(_ outcome: [[Float]], passes: [[Float]], _ name: String) throws {
    for (expected, all) in [(step, outcome), (pass, passes)] {
      guard zip(expected, all).allSatisfy({ Array($1.prefix($0.count)) == $0 }) else {
        throw CeilingError.wrong("the first elements on \(name)")
      }
    }
  }
}
