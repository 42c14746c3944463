import ArgumentParser
import Descent
import Figures
import Foundation

struct RaceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "race",
    abstract: "Run rules over a surface of two parameters, and draw their paths.",
    discussion: """
      Every point is an update by an engine. The digest is of the path's bits: for a rule it must \
      be the same on every device.

      Surfaces:
      \(Surfaces.all.map { "  \($0.name): \($0.title)" }.joined(separator: "\n"))

      JSON: results of surface, rule, device, learningRate, steps, end, value, distance, left, \
      diverged, digest, path, error; distance to the nearest minimum, left and diverged the step \
      at which the path left the domain and at which it was no longer finite, null where that \
      means nothing. Where a rule could not run on a device, error says why, and what it should \
      have found is null.

      Exit status 1 if a rule's digests differ between devices that promise the same bits, or if \
      one could not run.
      """)

  @Option(help: "The surface to run over.", completion: .list(Surfaces.all.map(\.name)))
  var surface = "saddle"

  @Option(
    help: rulesHelp, completion: .list(Rules.all.map { $0.name } + ["all"]))
  var rule = "all"

  @Option(
    help: "\(SelectedEngine.names), several between commas, or all.",
    completion: .list(["automatic", "cpu", "reference", "opencl", "all"]))
  var device = "automatic"

  @Option(parsing: .unconditional, help: "Steps to take.")
  var steps = 300

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Where to start. Otherwise the surface's own place.", valueName: "x,y"))
  var start: String?

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A rule's rate; may be repeated. Otherwise each has its own for the surface.",
      valueName: "rule=value"))
  var learningRate: [String] = []

  @Option(
    help: ArgumentHelp("Draw the paths.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var output: String?

  @Flag(help: "Let marks move along the paths in the drawing.")
  var animate = false

  @OptionGroup var json: JSONOption

  func validate() throws {
    _ = try race()
    _ = try SelectedEngine.parse(device)
    if steps < 1 { throw ValidationError("--steps is \(steps); allowed is 1 or more") }
    if animate && output == nil { throw ValidationError("--animate needs an --output to draw") }
  }

  func run() throws {
    let console = json.console
    let race = try race()
    var results: [Result] = []
    var walks: [Walk] = []
    let engines = try SelectedEngine.parse(device)
    for rule in race.rules {
      var isDrawn = false
      for engine in engines {
        do {
          let walk = try Walk(
            rule, on: race.surface, from: race.start, steps: steps, engine: engine.choice)
          results.append(Result(walk, on: engine.name))
          if !isDrawn { walks.append(walk) }
          isDrawn = true
        } catch {
          results.append(Result(rule, on: race.surface, engine.name, error))
        }
      }
    }
    try console.print(
      "\(race.surface.title), from \(Self.text(race.start)), \(steps) steps at most")
    try console.print(Self.table(of: results, on: race.surface))
    let exact = Set(engines.filter { $0.promisesSameBits }.map { $0.name })
    let apart = Self.rulesWithSeveralDigests(results.filter { exact.contains($0.device) })
    if !apart.isEmpty {
      try console.print("Not the same bits on every device: \(apart.joined(separator: ", "))")
    }
    let failures = results.compactMap { result in
      result.error.map { "\(result.rule) on \(result.device): \($0)" }
    }
    for failure in failures { try console.print(failure) }
    if let output, !walks.isEmpty {
      let svg = Self.svg(of: walks, on: race.surface, isAnimated: animate)
      try OutputFile(path: output, content: "the drawing").write(svg)
      try console.print("Paths: \(output)")
    }
    try json.write(results, of: "race")
    if !apart.isEmpty || !failures.isEmpty { throw ExitCode.failure }
  }

  /// The options, understood.
  private struct Race {
    var surface: Surface
    var start: Surface.Point
    var rules: [any UpdateRule]
  }

  private func race() throws -> Race {
    let surface = try named()
    let types = try selectedRules(rule)
    let rates = try rates(of: types)
    let rules = types.map { surface.rule($0, learningRate: rates[$0.name]) }
    for rule in rules {
      do { try rule.validate() } catch { throw ValidationError("\(error)") }
    }
    return Race(surface: surface, start: try place(on: surface), rules: rules)
  }

  private func named() throws -> Surface {
    do {
      return try Surfaces.named(surface)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  private func rates(of types: [any UpdateRule.Type]) throws -> [String: Double] {
    var rates: [String: Double] = [:]
    for text in learningRate {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let rate = Double(parts[1]) else {
        throw ValidationError(
          "--learning-rate: \"\(text)\" is not a rule and a number, as in sgd=0.1")
      }
      _ = try selectedRules(parts[0])
      guard types.contains(where: { $0.name == parts[0] }) else {
        throw ValidationError("--learning-rate: \(parts[0]) is not among the rules that run")
      }
      rates[parts[0]] = rate
    }
    return rates
  }

  private func place(on surface: Surface) throws -> Surface.Point {
    guard let start else { return surface.start }
    let parts = start.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 2, let x = parts[0], let y = parts[1] else {
      throw ValidationError("--start: \"\(start)\" is not two numbers, as in 0.5,-1")
    }
    let place = Surface.Point(x: x, y: y)
    guard surface.domain.contains(place) else {
      throw ValidationError(
        "--start: \(start) is outside the domain of \(surface.name); "
          + "allowed is x in \(Self.text(surface.domain.x)), y in \(Self.text(surface.domain.y))")
    }
    return place
  }

  private static func text(_ range: ClosedRange<Double>) -> String {
    "\(short(range.lowerBound))…\(short(range.upperBound))"
  }

  private static func text(_ point: Surface.Point) -> String {
    "\(short(point.x)),\(short(point.y))"
  }

  /// Six digits, without zeros at the end.
  static func short(_ number: Double) -> String {
    // The C library writes a sign before some NaN.
    number.isNaN ? "nan" : String(format: "%.6g", number)
  }

  private static func rulesWithSeveralDigests(_ results: [Result]) -> [String] {
    Dictionary(grouping: results) { $0.rule }
      .filter { Set($0.value.compactMap(\.digest)).count > 1 }.keys.sorted()
  }

  private static func table(of results: [Result], on surface: Surface) -> Table {
    let fate = surface.minima.isEmpty ? Table.Column.left("fate") : .right("distance")
    var table = Table(
      .left("rule"), .left("device"), .right("rate"), .right("steps"), .right("end"),
      .right("value"), fate, .left("digest"))
    for result in results {
      table.append(
        result.rule, result.device, short(result.learningRate),
        result.steps.map { "\($0)" } ?? "failed", result.end.map(text) ?? "",
        result.value.map(short) ?? "", result.fate, result.digest ?? "")
    }
    return table
  }

  /// The drawing that `--output` writes: one plot for up to nine rules; for more one for each
  /// family.
  static func svg(of walks: [Walk], on surface: Surface, isAnimated: Bool) -> String {
    if walks.count <= 9 { return plot(of: walks, on: surface, isAnimated: isAnimated).svg() }
    let plots = Rules.families.compactMap { family in
      let own = walks.filter { walk in family.rules.contains { $0 == type(of: walk.rule) } }
      return own.isEmpty
        ? nil : plot(of: own, on: surface, title: family.title, isAnimated: isAnimated)
    }
    return ContourSheet(
      title: surface.title,
      description: "\(walks.count) rules on \(surface.title), a plot for each family.", plots: plots
    ).svg()
  }

  private static func plot(
    of walks: [Walk], on surface: Surface, title: String? = nil, isAnimated: Bool
  ) -> ContourPlot {
    let ends = walks.map { walk in
      "\(type(of: walk.rule).name) \(Result(walk, on: "").summary)"
    }
    var plot = ContourPlot(
      surface, title: title,
      description: "Contours of \(surface.title) with the path of each rule: "
        + ends.joined(separator: "; ") + ".",
      paths: walks.map { walk in
        .init(
          name: "\(type(of: walk.rule).name) \(short(walk.rule.learningRate))",
          points: walk.points)
      })
    plot.isAnimated = isAnimated
    return plot
  }

}

extension RaceCommand {
  /// One rule on one device.
  struct Result: Encodable {
    let surface: String
    let rule: String
    let device: String
    let learningRate: Double
    var steps: Int?
    var end: Surface.Point?
    var value: Double?
    /// To the nearest minimum; nil on a surface that has none.
    var distance: Double?
    /// The first step that ended outside the domain.
    var left: Int?
    /// The step that ended at a place that is not finite.
    var diverged: Int?
    var digest: String?
    var path: [[Double]]?
    /// Why there is no path.
    var error: String?

    init(_ walk: Walk, on device: String) {
      surface = walk.surface.name
      rule = type(of: walk.rule).name
      self.device = device
      learningRate = walk.rule.learningRate
      steps = walk.steps
      end = walk.end
      value = walk.surface.value(at: walk.end)
      distance = walk.surface.distanceToMinimum(from: walk.end)
      left = walk.firstStep()
      diverged = walk.divergedStep
      digest = walk.digest.description
      path = walk.points.map { [$0.x, $0.y] }
    }

    /// A rule that could not run.
    init(_ rule: any UpdateRule, on surface: Surface, _ device: String, _ error: any Error) {
      self.surface = surface.name
      self.rule = type(of: rule).name
      self.device = device
      learningRate = rule.learningRate
      self.error = "\(error)"
    }

    /// What became of it, for the table.
    var fate: String {
      if error != nil { return "" }
      if let diverged { return "diverged at step \(diverged)" }
      if let distance { return RaceCommand.short(distance) }
      return left.map { "left the saddle at step \($0)" } ?? "still there"
    }

    /// The same for readers of the drawing.
    var summary: String {
      if let diverged { return "diverges at step \(diverged)" }
      if let distance { return "ends \(RaceCommand.short(distance)) from a minimum" }
      return left.map { "leaves at step \($0)" } ?? "is still there after \(steps ?? 0) steps"
    }

    private enum CodingKeys: String, CodingKey {
      case surface, rule, device, learningRate, steps, end, value, distance, left, diverged, digest
      case path, error
    }

    /// Every key, absent values as null.
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(surface, forKey: .surface)
      try values.encode(rule, forKey: .rule)
      try values.encode(device, forKey: .device)
      try values.encode(learningRate, forKey: .learningRate)
      try values.encode(steps, forKey: .steps)
      try values.encode(end.map { [$0.x, $0.y] }, forKey: .end)
      try values.encode(value, forKey: .value)
      try values.encode(distance, forKey: .distance)
      try values.encode(left, forKey: .left)
      try values.encode(diverged, forKey: .diverged)
      try values.encode(digest, forKey: .digest)
      try values.encode(path, forKey: .path)
      try values.encode(error, forKey: .error)
    }
  }
}
