import ArgumentParser
import Descent
import Foundation

#if OpenCL
import OpenCLHost
#endif

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time every rule on every device against the memory's own speed.",
    discussion: """
      An update waits for memory, so what matters is its share of the ceiling: an in-place pass \
      over as many streams with next to no arithmetic, on the same device. Step and ceiling \
      alternate, device by device and rule by rule, and every element is checked afterwards. \
      Ctrl-C shows what was measured until then.

      JSON: results of rule, device, count, tensors, case, medianSeconds, minimumSeconds, \
      bytesPerStep, ceilingSeconds, fractionOfCeiling, launchesPerStep. The case is where \
      parameters and gradients lie between steps: resident, pinned or pageable. The rule copy is a \
      plain copy of a vector; it has no ceiling, which is null. A device on which something failed \
      is measured no further; its last result has device, rule, count and error alone, and the \
      exit status is 1.
      """)

  @Option(
    help: """
      Rules between commas, as in verify's cases also "adam rootEpsilon"; or all, without those \
      over matrices, which Benchmarks/matrices measures.
      """,
    completion: .list(Rules.all.map { $0.name } + ["all"]))
  var rule = "all"

  @Option(
    help:
      "\(SelectedEngine.names), several between commas; all but reference.",
    completion: .list(["automatic", "cpu", "opencl", "all"]))
  var device = "all"

  @Option(help: "Elements in a vector. Otherwise 33554432.")
  var count: Int?

  @Flag(help: "Vectors from 1024 to 67108864 elements: where does which device overtake which?")
  var sweep = false

  @Option(
    help: ArgumentHelp("A model's tensors, as in Benchmarks/layouts.", valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var layout: String?

  @Option(help: "Divide the first size of the layout's tensors, to fit large models.")
  var scale = 1

  @Option(help: "Bytes that each of the layout's tensors begins at a multiple of.")
  var alignment = 4

  @Option(help: "Deal the layout's tensors out over so many parameter groups by turns.")
  var alternateGroups = 1

  @Option(help: "How often each is timed in one place in memory.")
  var rounds = 9

  @Option(help: "How often all vectors are made anew. Otherwise 3, in a sweep 1.")
  var placements: Int?

  @Option(help: "Threads of the CPU engine and of its ceiling.")
  var threads: Int?

  @Option(
    help: ArgumentHelp("Draw the speeds.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var plot: String?

  @Option(
    help: ArgumentHelp("Write all of it as one page.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var html: String?

  @Flag(
    help: ArgumentHelp(
      "Measure round trips on devices that share this machine's memory too.", visibility: .hidden))
  var allCases = false

  @OptionGroup var json: JSONOption

  func validate() throws {
    _ = try rules()
    _ = try engines()
    for (name, value) in [
      ("count", count), ("rounds", rounds), ("placements", placements), ("threads", threads),
      ("scale", scale), ("alignment", alignment), ("alternate-groups", alternateGroups),
    ] {
      if let value, value < 1 {
        throw ValidationError("--\(name) is \(value); allowed is 1 or more")
      }
    }
    if [count != nil, sweep, layout != nil].count(where: { $0 }) > 1 {
      throw ValidationError("--count, --sweep and --layout exclude each other")
    }
    for (name, isGiven) in [
      ("scale", scale > 1), ("alignment", alignment > 4), ("alternate-groups", alternateGroups > 1),
    ] where isGiven && layout == nil {
      throw ValidationError("--\(name) needs a --layout")
    }
  }

  func run() throws {
    let console = json.console
    var failures: [BenchmarkFailure] = []
    let devices = try engines().compactMap { engine in
      do {
        return try BenchmarkDevice(engine, threads: threads, allCases: allCases)
      } catch {
        failures.append(BenchmarkFailure(device: engine.name, error: "\(error)"))
        return nil
      }
    }
    var plan = BenchmarkPlan(
      rules: try rules(), devices: devices, rounds: rounds,
      placements: placements ?? (sweep ? 1 : 3))
    if sweep {
      try plan.addSweep()
    } else if let layout {
      let model = try BenchmarkModel(path: layout)
      plan.add(
        try model.layout(dividedBy: scale, alignment: alignment, groups: alternateGroups),
        named: model.model + (scale > 1 ? " with its tensors' first sizes divided by \(scale)" : "")
      )
    } else {
      try plan.add(count: count ?? 1 << 25)
    }
    try plan.check()
    for note in plan.notes { try console.print(note) }
    let rows = try measured(plan, &failures)
    if rows.isEmpty && plan.interruption.isRequested {
      try console.print("Interrupted before anything was measured.")
      throw ExitCode(130)
    }
    let report = plan.report(rows, failures)
    if rows.isEmpty {
      try json.write(report.results, of: "bench")
      for failure in failures { try console.print("\(failure)") }
      throw ExitCode.failure
    }
    try show(report, on: console)
    try write(report)
    if plan.interruption.isRequested {
      try console.print("Interrupted; what stands above was measured until then.")
      throw ExitCode(130)
    }
    if !failures.isEmpty { throw ExitCode.failure }
  }

  private func measured(
    _ plan: BenchmarkPlan, _ failures: inout [BenchmarkFailure]
  ) throws -> [BenchmarkRow] {
    var bar = ProgressBar("measuring", total: plan.progressTotal)
    var done = 0
    defer { bar.erase() }
    return try plan.interruption.whileWatchingInterrupts {
      try plan.run {
        done += 1
        bar.update(done)
      } failed: {
        failures.append($0)
      }
    }
  }

  private func show(_ report: BenchmarkReport, on console: Console) throws {
    for machine in report.machines {
      try console.print(
        "\(machine.name): \(machine.description)"
          + (machine.driver.isEmpty ? "" : " (\(machine.driver))"))
    }
    try console.print()
    try console.print(title: "Ceilings")
    try console.print(report.ceilings)
    try console.print()
    try console.print(title: "Steps", ", \(report.subject)")
    try console.print(report.table)
    try console.print()
    for sentence in report.overtakings { try console.print(sentence) }
    for sentence in report.advice { try console.print(sentence) }
    for failure in report.failures { try console.print("\(failure)") }
  }

  private func write(_ report: BenchmarkReport) throws {
    try json.write(report.results, of: "bench")
    if let plot { try OutputFile(path: plot).write(report.plot) }
    guard let html else { return }
    let document = try JSONOutput(
      destination: html, command: "bench", version: DescentCommand.version
    ).document(report.results)
    let call = ["descent"] + CommandLine.arguments.dropFirst()
    let page = HTMLReport(
      report: report, version: DescentCommand.version,
      made: Date.now.formatted(.iso8601) + "; " + call.joined(separator: " "),
      json: String(decoding: document, as: UTF8.self))
    try OutputFile(path: html).write(page.html)
  }

  // MARK: What to measure

  /// Rules with their default hyper-parameters, or variants by their names; all leaves out those
  /// over matrices.
  func rules() throws -> [BenchmarkRule] {
    let chosen = try chosenRules()
    let isAll = rule.split(separator: ",").contains {
      $0.trimmingCharacters(in: .whitespaces) == "all"
    }
    let matrices = chosen.filter { $0.rule.needsMatrices }
    if !isAll, let first = matrices.first {
      throw ValidationError(
        "\(first.name) is bound by arithmetic, not by memory; Benchmarks/matrices measures it")
    }
    return chosen.filter { !$0.rule.needsMatrices }
  }

  private func chosenRules() throws -> [BenchmarkRule] {
    let names = rule.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    let variants = Rules.all.flatMap { $0.variants }
    if !names.contains("all"), names.contains(where: { $0.contains(" ") }) {
      return try unique(names).map { name in
        if let variant = variants.first(where: { $0.name == name }) {
          return BenchmarkRule(name: name, rule: variant.rule)
        }
        return try selectedRules(name).map { BenchmarkRule(name: $0.name, rule: $0.init()) }[0]
      }
    }
    return try selectedRules(rule).map { BenchmarkRule(name: $0.name, rule: $0.init()) }
  }

  /// The devices that can run; the reference only where it is named.
  private func engines() throws -> [SelectedEngine] {
    let engines = try SelectedEngine.parse(device)
    guard device.split(separator: ",").contains(where: { $0 == "all" }) else { return engines }
    #if OpenCL
    return engines.filter {
      $0.name != "reference" && $0.device.map { $0.isAvailable && $0.hasCompiler } ?? true
    }
    #else
    return engines.filter { $0.name != "reference" }
    #endif
  }
}
