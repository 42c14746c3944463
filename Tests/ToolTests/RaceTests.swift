import ArgumentParser
import Descent
import DescentTestSupport
import Foundation
import Testing

@testable import Figures
@testable import descent_tool

@Suite struct WalkTests {
  @Test(
    "a walk leaves the same bits on every engine and device",
    .enabled(if: SelectedEngine.all.count > 2, "no OpenCL device"), arguments: Surfaces.all)
  func engines(_ surface: Surface) throws {
    for type in Rules.all {
      let rule = surface.rule(type)
      let expected = try Walk(rule, on: surface, steps: 60, engine: .reference)
      for engine in SelectedEngine.all where engine.pathUlpBound(steps: 60) == nil {
        let walk = try Walk(rule, on: surface, steps: 60, engine: engine.choice)
        #expect(walk.digest == expected.digest, "\(type.name) on \(engine.name)")
        #expect(walk.steps == expected.steps)
      }
    }
  }

  @Test("every point is one update in Float, from the gradient rounded once")
  func updates() throws {
    let surface = Surfaces.rosenbrock
    let walk = try Walk(SGD(learningRate: 0.001), on: surface, steps: 20)
    #expect(walk.points.count == 21 && walk.gradients.count == 20)
    var (x, y) = (Float(surface.start.x), Float(surface.start.y))
    var digest = Digest([x, y])
    for step in 1...20 {
      let gradient = surface.gradient(Double(x), Double(y))
      x -= 0.001 * Float(gradient.x)
      y -= 0.001 * Float(gradient.y)
      digest.combine([x, y])
      #expect(walk.points[step] == .init(x: Double(x), y: Double(y)))
      #expect(walk.gradients[step - 1] == gradient)
    }
    #expect(walk.digest == digest)
  }

  @Test("Nesterov's path is the iterate, with the look-ahead points beside it")
  func lookAhead() throws {
    let surface = Surfaces.ravine()
    let walk = try Walk(Nesterov(learningRate: 0.02, momentum: 0.9), on: surface, steps: 50)
    var literal = LiteralNesterov([surface.start.x, surface.start.y])
    for step in 1...50 {
      literal.step(learningRate: 0.02, momentum: 0.9) { point in
        let gradient = surface.gradient(point[0], point[1])
        return [gradient.x, gradient.y]
      }
      let expected = Surface.Point(x: literal.iterate[0], y: literal.iterate[1])
      #expect(walk.points[step].distance(to: expected) < 1e-5)
      // φ = W − γV, and V is what W has just lost.
      let (now, before) = (walk.points[step], walk.points[step - 1])
      let ahead = Surface.Point(
        x: now.x + 0.9 * (now.x - before.x), y: now.y + 0.9 * (now.y - before.y))
      #expect(walk.lookAheads[step].distance(to: ahead) < 1e-5)
    }
    #expect(walk.lookAheads.count == 51)
    #expect(try Walk(Momentum(), on: surface, steps: 3).lookAheads.isEmpty)
  }

  @Test("a walk ends at the first point that is not finite")
  func divergence() throws {
    let walk = try Walk(SGD(learningRate: 3), on: Surfaces.rosenbrock, steps: 300)
    #expect(walk.steps < 20)
    #expect(walk.divergedStep == walk.steps)
    #expect(!walk.end.isFinite && walk.points.dropLast().allSatisfy(\.isFinite))
    #expect(walk.firstStep() == 1)
    #expect(try Walk(SGD(), on: Surfaces.parabola, steps: 5).divergedStep == nil)
  }

  @Test("on the parabola SGD's bound is a rate of 1, two over its curvature")
  func bound() throws {
    func distance(_ rate: Double) throws -> Double {
      try Walk(SGD(learningRate: rate), on: Surfaces.parabola, steps: 100).end
        .distance(to: .init(x: 0, y: 0))
    }
    #expect(try distance(0.99) < 1)
    #expect(try distance(1.01) > 10)
  }

  @Test("no steps leave the start")
  func noSteps() throws {
    let walk = try Walk(SGD(), on: Surfaces.saddle, from: .init(x: 0.1, y: 1), steps: 0)
    #expect(walk.points == [.init(x: Double(Float(0.1)), y: 1)])
    #expect(walk.steps == 0)
  }
}

@Suite struct RaceTests {
  private func run(_ arguments: [String]) throws {
    var command = try DescentCommand.parseAsRoot(["race"] + arguments)
    try command.run()
  }

  /// What the command says of these arguments, with its exit status.
  private func complaint(_ arguments: String...) -> (text: String, status: Int32) {
    do {
      try run(arguments)
      return ("", 0)
    } catch {
      return (DescentCommand.message(for: error), DescentCommand.status(for: error))
    }
  }

  private func golden(_ name: String) throws -> String {
    let file = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
    return try String(contentsOf: file.appending(path: name), encoding: .utf8)
  }

  @Test("a small race has these bytes", arguments: [false, true])
  func bytes(isAnimated: Bool) throws {
    try withTemporaryFolder { folder in
      let file = folder.appending(path: "race.svg").path
      let arguments = [
        "--surface", "rosenbrock", "--rule", "sgd,nesterov,adam", "--steps", "12", "--device",
        "cpu", "--learning-rate", "sgd=0.004", "--output", file,
      ]
      try run(arguments + (isAnimated ? ["--animate"] : []))
      let svg = try String(contentsOfFile: file, encoding: .utf8)
      let name = isAnimated ? "race-animated.svg" : "race.svg"
      #expect(svg == (try golden(name)), "\(name) differs")
    }
  }

  @Test("what is not known is refused with what is")
  func unknown() {
    let surface = complaint("--surface", "sadle")
    #expect(
      surface.text
        == "there is no surface \"sadle\"; there is parabola, ravine, saddle, monkey, rosenbrock, "
        + "beale, himmelblau, booth, styblinski-tang, plateau, noisy")
    let rule = complaint("--rule", "adamm")
    #expect(rule.text.hasPrefix("there is no rule \"adamm\"; there is sgd, momentum"))
    let device = complaint("--device", "gpu")
    #expect(device.text.hasPrefix("there is no device \"gpu\"; there is automatic, cpu"))
    let rate = complaint("--learning-rate", "adamm=0.1")
    #expect(rate.text.hasPrefix("there is no rule \"adamm\"; there is sgd, momentum"))
    #expect([surface, rule, device, rate].map(\.status) == [2, 2, 2, 2])
  }

  @Test(
    "options that cannot be are refused in a sentence, with status 2",
    arguments: [
      (["--steps", "0"], "--steps is 0; allowed is 1 or more"),
      (["--steps", "-3"], "--steps is -3; allowed is 1 or more"),
      (
        ["--start", "2.5,0"],
        "--start: 2.5,0 is outside the domain of saddle; allowed is x in -2…2, y in -1.5…1.5"
      ),
      (
        ["--start", "-1,nan"],
        "--start: -1,nan is outside the domain of saddle; allowed is x in -2…2, y in -1.5…1.5"
      ),
      (["--start", "1"], "--start: \"1\" is not two numbers, as in 0.5,-1"),
      (["--start", "1,,2"], "--start: \"1,,2\" is not two numbers, as in 0.5,-1"),
      (
        ["--learning-rate", "sgd=fast"],
        "--learning-rate: \"sgd=fast\" is not a rule and a number, as in sgd=0.1"
      ),
      (
        ["--learning-rate", "0.1"],
        "--learning-rate: \"0.1\" is not a rule and a number, as in sgd=0.1"
      ),
      (
        ["--learning-rate", "sgd=-1"],
        "sgd: learningRate is -1.0; allowed is "
      ),
      (
        ["--rule", "adam", "--learning-rate", "sgd=1"],
        "--learning-rate: sgd is not among the rules that run"
      ),
      (["--animate"], "--animate needs an --output to draw"),
    ])
  func refused(arguments: [String], sentence: String) {
    do {
      try run(arguments)
      Issue.record("taken")
    } catch {
      #expect(DescentCommand.message(for: error).hasPrefix(sentence))
      #expect(DescentCommand.status(for: error) == 2)
    }
  }

  @Test("an output that cannot be written is named, with status 1")
  func output() {
    let (text, status) = complaint(
      "--rule", "sgd", "--steps", "1", "--output", "/nowhere/at/all/race.svg")
    #expect(
      text == "cannot write the drawing to /nowhere/at/all/race.svg: No such file or directory")
    #expect(status == 1)
  }

  private func results(_ arguments: String...) throws -> [[String: Any]] {
    try withTemporaryFolder { folder in
      let file = folder.appending(path: "race.json")
      try run(arguments + ["--json", file.path])
      let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
      return try #require((document as? [String: Any])?["results"] as? [[String: Any]])
    }
  }

  @Test("--json has every documented key, and says what became of each path")
  func json() throws {
    let saddle = try results(
      "--rule", "sgd,momentum", "--steps", "100", "--learning-rate", "momentum=0.02", "--start",
      "-1,0.001", "--device", "cpu,reference")
    #expect(saddle.count == 4)
    for result in saddle {
      #expect(
        Set(result.keys) == [
          "surface", "rule", "device", "learningRate", "steps", "end", "value", "distance", "left",
          "diverged", "digest", "path", "error",
        ])
    }
    let (sgd, momentum) = (saddle[0], saddle[2])
    #expect(sgd["left"] is NSNull && sgd["diverged"] is NSNull && sgd["distance"] is NSNull)
    #expect(momentum["left"] as? Int ?? 0 > 10)
    #expect(momentum["learningRate"] as? Double == 0.02)
    #expect((momentum["path"] as? [[Double]])?.count == 101)
    #expect((momentum["path"] as? [[Double]])?.first?.map { Float($0) } == [-1, 0.001])
    #expect((momentum["path"] as? [[Double]])?.last == momentum["end"] as? [Double])
    #expect(momentum["digest"] as? String == saddle[3]["digest"] as? String)

    let rosenbrock = try results(
      "--surface", "rosenbrock", "--rule", "sgd", "--learning-rate", "sgd=1")
    let step = try #require(rosenbrock.first?["diverged"] as? Int)
    #expect(step == rosenbrock.first?["steps"] as? Int)
    #expect((rosenbrock.first?["path"] as? [Any])?.count == step + 1)
  }

  @Test("the drawing says in words what it shows")
  func description() throws {
    let surface = Surfaces.saddle
    let walks = try [SGD(learningRate: 0.01) as any UpdateRule, Momentum(learningRate: 0.02)].map {
      try Walk($0, on: surface, steps: 100)
    }
    let svg = RaceCommand.svg(of: walks, on: surface, isAnimated: false)
    #expect(svg.contains("<title>Saddle: x² − y²</title>"))
    let left = try #require(walks[1].firstStep())
    #expect(
      svg.contains("sgd is still there after 100 steps; momentum leaves at step \(left).</desc>"))
    #expect(svg.contains(">momentum 0.02<"))
  }

  @Test("a race of more than nine rules has a plot for each family")
  func families() throws {
    let surface = Surfaces.saddle
    // As many rules again, so that there are more than nine whatever the catalogue has.
    let walks = try (Rules.all + Rules.all).map {
      try Walk(surface.rule($0), on: surface, steps: 3)
    }
    let svg = RaceCommand.svg(of: walks, on: surface, isAnimated: false)
    let titles = Rules.families.map { "<title>\(Drawing.escaped($0.title))</title>" }
    #expect(titles.allSatisfy(svg.contains))
    #expect(svg.ranges(of: "<svg ").count == Rules.families.count + 1)
    #expect(svg.ranges(of: "</svg>").count == Rules.families.count + 1)
    #expect(Rules.families.allSatisfy { $0.rules.count <= Palette.colours.count })
  }
}
