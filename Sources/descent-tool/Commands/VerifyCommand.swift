import ArgumentParser
import Descent
import Foundation
import Verification

#if OpenCL
import OpenCLHost
#endif

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare every rule on every engine with the reference: can a driver be trusted?",
    discussion: """
      Each setting of a rule takes 25 steps over values with zeros, denormals, huge and tiny \
      numbers, infinities and NaN, at sizes around the edges of lanes and work-groups. With \
      --trajectories, what other libraries computed is replayed as well, and the worst error \
      against their Float64 run stands beside their own Float32 error, both in ulp of the path.

      JSON: results of rule, engine, case, bitsApart, worstUlp, error, peerError, passed, reason; \
      null where a case has no such value, and the strings nan, inf and -inf where JSON cannot \
      hold a number. reason says why a case could not be run, as a driver's own message. Exit \
      status 1 if anything is out of bounds or cannot be run.
      """)

  @Option(
    help: rulesHelp, completion: .list(Rules.all.map { $0.name } + ["all"]))
  var rule = "all"

  @Option(
    help: "\(SelectedEngine.names), several between commas, or all.",
    completion: .list(["automatic", "cpu", "reference", "opencl", "all"]))
  var device = "all"

  @Option(
    help: ArgumentHelp("A folder of trajectories to replay.", valueName: "folder"),
    completion: .directory)
  var trajectories: String?

  @Option(help: "Numbers of elements, between commas.")
  var counts = Agreement.counts.map(String.init).joined(separator: ",")

  @Option(help: "Steps to take.")
  var steps = Agreement.steps

  @Option(help: "Lanes of an OpenCL work-item: 1, 2, 4, 8 or 16. Otherwise by device.")
  var lanes: Int?

  @Option(help: "Items of an OpenCL work-group. Otherwise by device.")
  var group: Int?

  @Option(
    help: ArgumentHelp(
      "Only write the pinned steps' scalars to this file, for Tests/Arm.", valueName: "file",
      visibility: .hidden))
  var emitCases: String?

  @OptionGroup var json: JSONOption

  func validate() throws {
    _ = try selectedRules(rule)
    _ = try engines()
    _ = try sizes()
    if steps < 1 { throw ValidationError("--steps is \(steps); allowed is 1 or more") }
  }

  func run() throws {
    if let emitCases {
      let cases = pinnedCases(count: Agreement.pinnedCount, steps: Agreement.steps)
      return try OutputFile(path: emitCases).write(cases)
    }
    let console = json.console
    let (engines, rules) = (try engines().map { $0.sharingContext() }, try selectedRules(rule))
    let goldens = try trajectories.map { try Goldens(folder: $0) }
    let agreements = try compare(rules, engines)
    try console.print(Self.table(of: agreements))
    var replays: [Result] = []
    if let goldens {
      replays = try replay(goldens, rules, engines)
      try console.print()
      try console.print(Self.table(ofReplays: replays))
      if !goldens.skipped.isEmpty {
        let names = goldens.skipped.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }
        try console.print(
          "Skipped \(goldens.skipped.values.reduce(0, +)) cases of other rules or of a library's "
            + "error: "
            + names.joined(separator: ", "))
      }
    }
    let results = agreements + replays
    try json.write(results, of: "verify")
    let failed = results.filter { !$0.passed }
    try console.print()
    for sentence in Self.failures(results) { try console.print(sentence) }
    try console.print("\(results.count - failed.count) passed, \(failed.count) failed")
    if !failed.isEmpty { throw ExitCode.failure }
  }

  // MARK: What to compare

  /// The engines that `--device` names; the CPU engine once for each instruction set.
  func engines() throws -> [SelectedEngine] {
    try SelectedEngine.parse(device).flatMap { engine -> [SelectedEngine] in
      if engine.name == "cpu" {
        return InstructionSet.available.map {
          SelectedEngine(name: "cpu \($0)", choice: .cpu(instructions: $0))
        }
      }
      return [try shaped(engine)]
    }
  }

  /// The engine with the launch shape of the options.
  private func shaped(_ engine: SelectedEngine) throws -> SelectedEngine {
    #if OpenCL
    guard lanes != nil || group != nil, let device = engine.device else { return engine }
    var shape = LaunchShape(for: device)
    if let lanes { shape.lanes = lanes }
    if let group { shape.groupSize = group }
    do {
      try shape.validate(on: device)
    } catch {
      throw ValidationError("\(error)")
    }
    return SelectedEngine(
      name: engine.name, choice: .openCL(device, shape: shape), device: device, shape: shape)
    #else
    return engine
    #endif
  }

  private func sizes() throws -> [Int] {
    try counts.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let count = Int(text), count >= 0 else {
        throw ValidationError("--counts: \"\(text)\" is not a number of elements")
      }
      return count
    }
  }

  func compare(
    _ rules: [any UpdateRule.Type], _ engines: [SelectedEngine]
  ) throws -> [Result] {
    var engines = engines
    let vectors = try sizes().map { Agreement.Vectors(count: $0, steps: steps) }
    let pinnedVectors = Agreement.Vectors(count: Agreement.pinnedCount)
    let variants = rules.flatMap { type in type.variants.map { (type.name, $0) } }
    var bar = ProgressBar("comparing", total: variants.count * (engines.count + 1))
    var (results, pinned): ([Result], [Result]) = ([], [])
    var seen: Set<String> = []
    for (done, (rule, variant)) in variants.enumerated() {
      let agreements = vectors.map { Agreement(variant: variant, vectors: $0, offset: 3) }
      let expected = try agreements.map { try $0.outcome(on: .reference) }
      let expectedCut = try zip(agreements, expected).map { try $0.expectedCut($1) }
      // Operations fused with the rule are compared for one setting of each kernel.
      let beside =
        seen.insert(variant.rule.kernel).inserted
        ? agreements.filter { $0.vectors.count < 2000 }
          .flatMap { [$0.beside, $0.beside.cut] } : []
      let expectedBeside = try beside.map { try $0.outcome(on: .reference) }
      for (index, engine) in engines.enumerated() {
        bar.update(done * (engines.count + 1) + index + 1)
        var result = Result(
          rule: rule, engine: engine.name, case: variant.name, passed: true)
        do {
          for (agreement, expected) in zip(
            agreements + agreements.map(\.cut), expected + expectedCut)
          {
            let outcome = try agreement.outcome(on: engine.choice)
            result.merge(outcome.difference(from: expected))
            if let bound = engine.pathUlpBound(steps: steps) {
              result.passed = result.passed && agreement.pathUlps(outcome, expected) <= bound
            } else {
              result.passed = result.bitsApart == 0
            }
          }
          if result.bitsApart == 0 && result.passed {
            for (agreement, expected) in zip(beside, expectedBeside) {
              let outcome = try agreement.outcome(on: engine.choice)
              result.merge(outcome.difference(from: expected))
              result.passed = result.bitsApart == 0
            }
          }
        } catch {
          result.fail(with: error)
          // A device that failed may not accept anything else in the same context.
          engines[index] = engine.sharingContext()
        }
        results.append(result)
        // While the context has the variant's programs.
        if engine.pathUlpBound(steps: steps) == nil {
          pinned.append(Self.pinned(rule, variant, pinnedVectors, engines[index]))
        }
      }
    }
    bar.erase()
    return results + pinned
  }

  /// The digest that this version of the package was released with.
  private static func pinned(
    _ rule: String, _ variant: RuleVariant, _ vectors: Agreement.Vectors, _ engine: SelectedEngine
  ) -> Result {
    var result = Result(
      rule: rule, engine: engine.name, case: "\(variant.name), pinned digest", passed: false)
    do {
      let outcome = try Agreement(variant: variant, vectors: vectors).outcome(on: engine.choice)
      result.passed = outcome.digest.value == variant.digest
    } catch {
      result.fail(with: error)
    }
    return result
  }

  func replay(
    _ goldens: Goldens, _ rules: [any UpdateRule.Type], _ engines: [SelectedEngine]
  ) throws -> [Result] {
    let names = Set(rules.map { $0.name })
    let cases = goldens.cases.filter { names.contains($0.optimizer) }
    var bar = ProgressBar("replaying", total: cases.count)
    var (engines, results) = (engines, [Result]())
    for (done, item) in cases.enumerated() {
      bar.update(done)
      // A case that cannot run fails alone, and leaves no context that may be lost.
      func result(
        _ engine: String, renewing index: Int? = nil, _ body: (inout Result) throws -> Void
      ) {
        var result = Result(rule: item.optimizer, engine: engine, case: item.id, passed: false)
        do {
          try body(&result)
        } catch {
          result.fail(with: error)
          if let index { engines[index] = engines[index].sharingContext() }
        }
        results.append(result)
      }
      let replay = Swift.Result { try Replay(item, of: goldens) }
      if !item.float32Only {
        result("reference (Double)") {
          let replay = try replay.get()
          $0.passed = try replay.truthError() <= replay.truthBound
        }
      }
      let expected = Swift.Result { try replay.get().inFloat(on: .reference) }
      for (index, engine) in engines.enumerated() {
        result(engine.name, renewing: index) {
          let (replay, expected) = (try replay.get(), try expected.get())
          try Self.judge(&$0, replay, replay.inFloat(on: engine.choice), expected, engine)
        }
      }
    }
    bar.erase()
    return results
  }

  private static func judge(
    _ result: inout Result, _ replay: Replay, _ path: Replay.Path<Float>,
    _ expected: Replay.Path<Float>, _ engine: SelectedEngine
  ) throws {
    for (a, b) in zip(path.checkpoints, expected.checkpoints) { result.merge(Difference(a, b)) }
    if replay.item.float32Only {
      result.passed = try replay.patternMismatches(path) == 0
      return
    }
    let errors = try replay.pathErrors(path, denormals: engine.keepsDenormals)
    result.error = errors.map(\.ulps).max()
    result.peerError = replay.item.float32PeakULPs.max()
    result.passed = !replay.hasFloatBounds || errors.allSatisfy(\.isWithinBound)
  }

  // MARK: What to show

  /// One comparison.
  struct Result: Encodable {
    var rule: String
    var engine: String
    var `case`: String
    var bitsApart: Int?
    var worstUlp: Double?
    /// Against the Float64 truth, in ulp of the path.
    var error: Double?
    /// The other library's own, likewise.
    var peerError: Double?
    var passed: Bool
    /// Why the case could not be run, if it could not.
    private(set) var reason: String?

    init(rule: String, engine: String, case name: String, passed: Bool) {
      (self.rule, self.engine, self.case, self.passed) = (rule, engine, name, passed)
    }

    mutating func merge(_ difference: Difference) {
      bitsApart = (bitsApart ?? 0) + difference.bitsApart
      worstUlp = max(worstUlp ?? 0, difference.worstUlp)
    }

    mutating func fail(with error: any Error) {
      (passed, reason) = (false, "\(error)")
    }

    private enum CodingKeys: String, CodingKey {
      case rule, engine, `case`, bitsApart, worstUlp, error, peerError, passed, reason
    }

    /// Every key, absent values as null.
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(rule, forKey: .rule)
      try values.encode(engine, forKey: .engine)
      try values.encode(`case`, forKey: .case)
      try values.encode(bitsApart, forKey: .bitsApart)
      try values.encode(worstUlp, forKey: .worstUlp)
      try values.encode(error, forKey: .error)
      try values.encode(peerError, forKey: .peerError)
      try values.encode(passed, forKey: .passed)
      try values.encode(reason, forKey: .reason)
    }

    var summary: String {
      var text = "\(`case`) on \(engine)"
      if let bitsApart { text += ", \(bitsApart) numbers differ from the reference" }
      if let worstUlp, worstUlp > 0 { text += ", by up to \(worstUlp) ulp" }
      if let error { text += ", \(error) ulp of the path from the truth" }
      return text
    }
  }

  /// A sentence for each result that is out of bounds, and one for each reason why cases could not
  /// be run: a driver that cannot build gives the same one for all cases.
  static func failures(_ results: [Result]) -> [String] {
    var sentences = results.filter { !$0.passed && $0.reason == nil }
      .map { "Out of bounds: \($0.summary)" }
    var places: [String: [Result]] = [:]
    var keys: [String] = []
    for result in results {
      guard let reason = result.reason else { continue }
      let key = "on \(result.engine): \(reason)"
      if places[key] == nil { keys.append(key) }
      places[key, default: []].append(result)
    }
    for key in keys {
      let cases = places[key] ?? []
      let names = cases.prefix(3).map(\.case).joined(separator: ", ")
      let others = cases.count > 3 ? " and \(cases.count - 3) more" : ""
      sentences.append("Could not run: \(names)\(others) \(key)")
    }
    return sentences
  }

  private static func table(of results: [Result]) -> Table {
    var table = Table(
      .left("rule"), .left("engine"), .right("cases"), .right("bits apart"), .right("worst ulp"),
      .left("passed"))
    for group in grouped(results) {
      table.append(
        group[0].rule, group[0].engine, "\(group.count)",
        "\(group.compactMap(\.bitsApart).reduce(0, +))",
        decimals(group.compactMap(\.worstUlp).max()), passed(group))
    }
    return table
  }

  private static func table(ofReplays results: [Result]) -> Table {
    var table = Table(
      .left("rule"), .left("engine"), .right("trajectories"), .right("worst error, ulp"),
      .right("the peer's own"), .left("passed"))
    for group in grouped(results) {
      let worst = group.max { $0.error ?? 0 < $1.error ?? 0 }
      table.append(
        group[0].rule, group[0].engine, "\(group.count)", decimals(worst?.error),
        decimals(worst?.peerError), passed(group))
    }
    return table
  }

  private static func passed(_ group: [Result]) -> String {
    let failed = group.count { !$0.passed }
    return failed == 0 ? "yes" : "no (\(failed))"
  }

  private static func decimals(_ value: Double?) -> String {
    guard let value else { return "" }
    return value.isFinite ? "\((value * 100).rounded() / 100)" : "∞"
  }

  /// By rule and engine, in the order in which they came.
  private static func grouped(_ results: [Result]) -> [[Result]] {
    var groups: [[Result]] = []
    var index: [String: Int] = [:]
    for result in results {
      let key = "\(result.rule) \(result.engine)"
      if let place = index[key] {
        groups[place].append(result)
      } else {
        index[key] = groups.count
        groups.append([result])
      }
    }
    return groups
  }
}

extension SelectedEngine {
  /// How far an engine that does not promise the reference's bits may be from them, in ulp of the
  /// path; nil for one that does.
  func pathUlpBound(steps: Int) -> Double? {
    promisesSameBits ? nil : Double(2 * steps + 8)
  }

  /// Whether elements below the normal numbers are kept.
  var keepsDenormals: Bool {
    #if OpenCL
    device?.keepsDenormals ?? true
    #else
    true
    #endif
  }
}
