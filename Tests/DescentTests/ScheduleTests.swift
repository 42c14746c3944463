import DescentKernels
import Foundation
import Testing

@testable import Descent

/// What every schedule does.
@Suite struct ScheduleTests {
  /// One of each, as a reader would write it.
  struct Item: CustomTestStringConvertible {
    let testDescription: String
    let schedule: Schedule

    init(_ name: String, _ schedule: Schedule) {
      (testDescription, self.schedule) = (name, schedule)
    }
  }

  /// One of each, as a reader would write it.
  static let ready: [Item] = [
    Item("constant", .constant(0.3)),
    Item("linear", .linear(from: 0.1, to: 0.3, steps: 7)),
    Item("warm-up", .warmUp(5, from: 0.01).then(.cosine(from: 0.3, to: 0.03, steps: 20))),
    Item("step", .step(0.3, factor: 0.5, every: 7)),
    Item("multi-step", .multiStep(0.3, at: [5, 12])),
    Item("exponential", .exponential(0.3, factor: 0.5, every: 7)),
    Item("polynomial", .polynomial(from: 0.3, to: 0.02, steps: 20, power: 1.5)),
    Item("cosine", .cosine(from: 0.3, to: 0.03, steps: 20)),
    Item(
      "cosine restarts",
      .cosineRestarts(from: 0.3, to: 0.03, steps: 4, lengthFactor: 2, peakFactor: 0.5)),
    Item("one cycle", .oneCycle(peak: 0.3, steps: 24)),
    Item("warm-up, stable, decay", .warmUpStableDecay(peak: 0.3, warmUp: 4, stable: 10, decay: 8)),
    Item("inverse root", .inverseRoot(0.3, warmUp: 6)),
    Item("inverse time", .inverseTime(0.3, decay: 0.5, every: 5)),
    Item("knots", .knots([.init(at: 1.5, rate: 0.1), .init(at: 6, rate: 0.2)])),
  ]

  private func rates(_ schedule: Schedule, _ steps: [Int]) -> [Double] {
    steps.map { schedule.learningRate(after: $0) }
  }

  @Test("a schedule is printed as it is put together")
  func printed() {
    #expect(
      "\(Schedule.warmUp(10).then(.constant(0.5).lasting(3)).then(.step(0.25, every: 7)))"
        == "linear(from: 0.0, to: 0.5, steps: 10).then(constant(rate: 0.5).lasting(3))"
        + ".then(step(rate: 0.25, factor: 0.1, every: 7))")
    #expect(
      "\(Schedule.knots([.init(at: 0, rate: 1), .init(at: 2.5, rate: 0)], shape: .cosine))"
        == "knots(points: [1.0 at 0.0, 0.0 at 2.5], shape: cosine)")
    #expect("\(Schedule.custom { 1 / Double($0 + 1) })" == "custom(function: …)")
  }

  @Test("at their edges: the first step, the last of each phase, after the end")
  func edges() {
    let linear = Schedule.linear(from: 0.1, to: 0.3, steps: 7)
    #expect(rates(linear, [-1, 0, 7, 8, .max]) == [0.1, 0.1, 0.3, 0.3, 0.3])
    #expect(linear.learningRate(after: 6) == 0.1 + (0.3 - 0.1) * (6 / 7.0))
    let cosine = Schedule.cosine(from: 0.3, to: 0.03, steps: 20)
    #expect(rates(cosine, [0, 20, .max]) == [0.3, 0.03, 0.03])
    #expect(cosine.learningRate(after: 10) == 0.03 + (0.3 - 0.03) * 0.5)
    #expect(rates(.polynomial(from: 0.3, steps: 9, power: 0.7), [0, 9, 10]) == [0.3, 0, 0])
    #expect(rates(.step(8, factor: 0.5, every: 3), [0, 2, 3, 5, 6]) == [8, 8, 4, 4, 2])
    #expect(
      rates(.multiStep(8, factor: 0.5, at: [0, 2, 2, 5]), [0, 1, 2, 4, 5, .max])
        == [4, 4, 1, 1, 0.5, 0.5])
    #expect(rates(.exponential(8, factor: 0.25, every: 2), [0, 1, 2, 3]) == [8, 4, 2, 1])
    #expect(
      rates(.inverseRoot(8, warmUp: 4), [0, 3, 4, 16, 64, 400]) == [0, 6, 8, 4, 2, 0.8])
    #expect(rates(.inverseRoot(8, warmUp: 0, timescale: 2), [0, 6]) == [8, 4])
    #expect(rates(.inverseTime(8, decay: 3, every: 2), [0, 2, 10]) == [8, 2, 0.5])
    let cycle = Schedule.oneCycle(
      peak: 8, steps: 21, warmUpFraction: 1 / 3.0, initialDivisor: 8, finalDivisor: 4,
      shape: .linear)
    #expect(rates(cycle, [0, 6, 20, 21, .max]) == [1, 8, 0.25, 0.25, 0.25])
    let stable = Schedule.warmUpStableDecay(peak: 8, warmUp: 4, stable: 3, decay: 2, to: 1)
    #expect(rates(stable, [0, 3, 4, 6, 7, 8, 9, .max]) == [0, 6, 8, 8, 8, 4.5, 1, 1])
  }

  @Test("one cycle has PyTorch's rates where a phase has no steps")
  func shortCycles() throws {
    // What OneCycleLR of PyTorch 2.13 gives for a max_lr of 0.01.
    let cases: [(Schedule, [Double])] = [
      (.oneCycle(peak: 0.01, steps: 3), [0.009944154354509118, 0.00462637102666975, 4e-8]),
      (.oneCycle(peak: 0.01, steps: 2), [0.00811745653949763, 4e-8]),
      (.oneCycle(peak: 0.01, steps: 1), [4e-8]),
      (
        .oneCycle(peak: 0.01, steps: 4, warmUpFraction: 0, shape: .linear),
        [0.00750001, 0.00500002, 0.0025000300000000003, 4e-8]
      ),
      (
        .oneCycle(peak: 0.01, steps: 5, warmUpFraction: 1, shape: .linear),
        [0.0004, 0.0028, 0.0052, 0.0076, 0.01]
      ),
      (
        .oneCycle(peak: 0.01, steps: 3, shape: .linear, threePhase: true),
        [0.00036364, 0.00018184, 4e-8]
      ),
      (
        .oneCycle(peak: 0.01, steps: 8, warmUpFraction: 0.6, shape: .linear, threePhase: true),
        [
          0.0004, 0.0029263157894736844, 0.005452631578947369, 0.007978947368421052,
          0.009494736842105262, 0.006968421052631579, 0.004442105263157894, 0.0019157894736842093,
        ]
      ),
      (
        .oneCycle(peak: 0.01, steps: 6, threePhase: true),
        [
          0.0004, 0.008594112549695426, 0.00038649579643628307, 0.0002547471247546151,
          7.950512541687634e-5, 4e-8,
        ]
      ),
    ]
    for (schedule, expected) in cases {
      try schedule.validate()
      #expect(schedule.length == expected.count)
      for (step, rate) in expected.enumerated() {
        #expect(abs(schedule.learningRate(after: step) - rate) <= 1e-15, "\(schedule) \(step)")
      }
    }
    // A phase that ends at 0, for which PyTorch divides by 0.
    let none = Schedule.oneCycle(peak: 8, steps: 5, warmUpFraction: 0.2, shape: .linear)
    let end: Double = 8.0 / 25.0 / 1e4
    let middle: Double = 8.0 + (end - 8.0) * 0.5
    #expect(rates(none, [0, 2, 4]) == [8, middle, end])
  }

  @Test("a part of 0 steps is skipped")
  func noSteps() throws {
    let cases: [(Schedule, [Double])] = [
      (.linear(from: 1, to: 2, steps: 0), [2, 2]),
      (.cosine(from: 1, to: 2, steps: 0), [2, 2]),
      (.polynomial(from: 1, to: 2, steps: 0, power: 0.5), [2, 2]),
      (.linear(from: 9, to: 9, steps: 0).then(.constant(3)), [3, 3]),
      (.warmUp(0, from: 5).then(.constant(3)), [3, 3]),
      (.warmUp(2).then(.cosine(from: 9, to: 9, steps: 0).then(.constant(4))), [0, 2, 4]),
      (.constant(9).lasting(0).then(.constant(3)), [3, 3]),
      (.warmUpStableDecay(peak: 8, warmUp: 0, stable: 1, decay: 2), [8, 8, 4, 0]),
      (.warmUpStableDecay(peak: 8, warmUp: 2, stable: 0, decay: 2), [0, 4, 8, 4, 0]),
      (.warmUpStableDecay(peak: 8, warmUp: 2, stable: 1, decay: 0, to: 1), [0, 4, 8, 1, 1]),
      (
        .warmUpStableDecay(peak: 8, warmUp: 0, stable: 0, decay: 2, to: 1, shape: .cosine),
        [8, 4.5, 1]
      ),
      (.warmUpStableDecay(peak: 8, warmUp: 0, stable: 0, decay: 0, to: 1), [1, 1]),
      (.inverseRoot(8, warmUp: 0, timescale: 2), [8]),
      (.multiStep(8, factor: 0.5, at: [0]), [4]),
    ]
    for (schedule, expected) in cases {
      try schedule.validate()
      #expect(rates(schedule, Array(expected.indices)) == expected, "\(schedule)")
    }
    // On an optimizer, whose next step evaluates the schedule as well.
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1), on: .cpu)
    optimizer.schedule = .oneCycle(peak: 0.01, steps: 3)
    var x: [Float] = [0]
    try optimizer.step(&x, gradients: [1])
    #expect(x == [-0.009944154354509118])
    optimizer.schedule = .oneCycle(peak: 0.01, steps: 3, warmUpFraction: -1)
    #expect {
      try optimizer.step(&x, gradients: [1])
    } throws: {
      "\($0)".hasPrefix(
        "schedule oneCycle: warmUpFraction is -1.0; allowed is a number from 0 to 1")
    }
    #expect(try x == [-0.009944154354509118] && optimizer.stepCount == 1)
  }

  @Test("restarts begin at their peaks, and grow as they are told")
  func restarts() {
    let same = Schedule.cosineRestarts(from: 8, to: 2, steps: 4)
    #expect(rates(same, [0, 2, 4, 6, 400_000_000, 400_000_002]) == [8, 5, 8, 5, 8, 5])
    let growing = Schedule.cosineRestarts(
      from: 8, to: 2, steps: 4, lengthFactor: 2, peakFactor: 0.5)
    #expect(rates(growing, [0, 2, 4, 8, 12, 20, 28]) == [8, 5, 5, 3.5, 3.5, 2.75, 2.75])
    #expect(growing.learningRate(after: .max) >= 2)
  }

  @Test("a schedule follows another where that one ends")
  func composition() {
    let warm: Schedule = .warmUp(1000).then(.cosine(from: 0.5, to: 0.25, steps: 100))
    #expect(rates(warm, [0, 500, 1000, 1050, 1100, .max]) == [0, 0.25, 0.5, 0.375, 0.25, 0.25])
    #expect(warm.length == 1100)
    #expect(Schedule.warmUp(0).then(.constant(3)) == .constant(3))

    let three: Schedule = .constant(1).lasting(2).then(.constant(2).lasting(3)).then(.constant(3))
    #expect(rates(three, [0, 1, 2, 4, 5, 900]) == [1, 1, 2, 2, 3, 3])
    #expect(three.length == nil)
    // Cut within a part, at its end, and drawn out.
    let line = Schedule.linear(from: 0, to: 4, steps: 4).then(.linear(from: 9, to: 5, steps: 4))
    #expect(rates(line.lasting(2).then(.constant(7)), [1, 2, 9]) == [1, 7, 7])
    #expect(rates(line.lasting(4).then(.constant(7)), [3, 4]) == [3, 7])
    #expect(rates(line.lasting(6).then(.constant(7)), [4, 5, 6]) == [9, 8, 7])
    #expect(rates(line.lasting(99).then(.constant(7)), [8, 98, 99]) == [5, 5, 7])
  }

  @Test("two schedules with the same numbers are one, and a file brings it back", arguments: ready)
  func coding(_ item: Item) throws {
    try item.schedule.validate()
    let data = try JSONEncoder().encode(item.schedule)
    let back = try JSONDecoder().decode(Schedule.self, from: data)
    #expect(back == item.schedule && Set([back, item.schedule]).count == 1)
    for t in 0..<60 {
      #expect(back.learningRate(after: t) == item.schedule.learningRate(after: t))
    }
  }

  @Test("a file holds names and numbers")
  func text() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let schedule: Schedule = .warmUp(10).then(.constant(0.5).lasting(5)).then(.constant(0.25))
    #expect(
      String(decoding: try encoder.encode(schedule), as: UTF8.self)
        == #"[{"curve":{"linear":{"from":0,"steps":10,"to":0.5}}},"#
        + #"{"curve":{"constant":{"rate":0.5}},"lasts":5},{"curve":{"constant":{"rate":0.25}}}]"#)
    for bad in [
      "[]", #"[{"curve":{"linear":{"from":0,"to":1,"steps":-1}}}]"#,
      #"[{"curve":{"constant":{"rate":-1}}}]"#, #"[{"curve":{"custom":{"function":{}}}}]"#,
      #"[{"curve":{"constant":{"rate":1}}},{"curve":{"constant":{"rate":1}}}]"#,
    ] {
      #expect(throws: DescentError.self) {
        try JSONDecoder().decode(Schedule.self, from: Data(bad.utf8))
      }
    }
  }

  @Test("a function is a schedule that equals itself alone and refuses to be saved")
  func custom() throws {
    let schedule = Schedule.custom { 1 / Double($0 + 1) }
    let copy = schedule
    #expect(rates(schedule, [0, 1, 3]) == [1, 0.5, 0.25])
    #expect(schedule == copy && schedule.hashValue == copy.hashValue)
    #expect(schedule != .custom { 1 / Double($0 + 1) })
    // Its own steps count from 0 after another schedule.
    #expect(rates(.warmUp(4).then(schedule), [2, 4, 5]) == [0.5, 1, 0.5])
    #expect {
      try JSONEncoder().encode(Schedule.warmUp(3).then(schedule))
    } throws: {
      "\($0)".hasPrefix("a custom schedule is a function, which no file can hold")
    }
  }

  @Test("numbers that make no sense are named, and nothing traps on them")
  func validation() throws {
    func stable(
      peak: Double = 1, warmUp: Int = 1, stable: Int = 1, decay: Int = 1, from: Double = 0,
      to: Double = 0
    ) -> Schedule {
      .warmUpStableDecay(
        peak: peak, warmUp: warmUp, stable: stable, decay: decay, from: from, to: to)
    }
    let bad: [(Schedule, String)] = [
      (.constant(-1), "rate is -1.0; allowed is a number of at least 0 that a Float can hold"),
      (.constant(1e39), "rate is 1e+39"), (.constant(.nan), "rate is nan"),
      (.linear(from: 0, to: 1, steps: -1), "steps is -1.0; allowed is a number of at least 0"),
      (.cosine(from: -1, steps: 1), "from is -1.0"),
      (.step(1, factor: 0, every: 1), "factor is 0.0"), (.step(1, every: 0), "every is 0.0"),
      (.multiStep(1, at: [5, 4]), "milestone is 4.0; allowed is a number of at least 5"),
      (.multiStep(1, at: [-5, 4]), "milestone is -5.0"),
      (.exponential(1, factor: .infinity), "factor is inf"),
      (.polynomial(from: 1, steps: 3, power: 0), "power is 0.0"),
      (.cosineRestarts(from: 1, steps: 3, lengthFactor: 0), "lengthFactor is 0.0"),
      (.cosineRestarts(from: 1, steps: 0, lengthFactor: 2), "steps is 0.0"),
      (.inverseRoot(1, warmUp: 0), "timescale is 0.0"),
      (.inverseTime(1, decay: -1), "decay is -1.0"), (.knots([]), "number of knots is 0.0"),
      (.knots([.init(at: 1, rate: 1), .init(at: 1, rate: 2)]), "time is 1.0"),
      (.knots([.init(at: -.infinity, rate: 1)]), "time is -inf; allowed is a finite number"),
      (.oneCycle(peak: -1, steps: 9), "schedule oneCycle: peak is -1.0"),
      (.oneCycle(peak: 1, steps: 0), "oneCycle: steps is 0.0; allowed is a number of at least 1"),
      (.oneCycle(peak: 1, steps: 9, warmUpFraction: 1.5), "warmUpFraction is 1.5; allowed is"),
      (.oneCycle(peak: 1, steps: 9, initialDivisor: 0), "initialDivisor is 0.0"),
      (.oneCycle(peak: 1, steps: 9, finalDivisor: -1), "finalDivisor is -1.0"),
      (stable(peak: .nan), "schedule warmUpStableDecay: peak is nan"),
      (stable(warmUp: -1), "warmUpStableDecay: warmUp is -1.0"),
      (stable(stable: -1), "warmUpStableDecay: stable is -1.0"),
      (stable(decay: -1), "warmUpStableDecay: decay is -1.0; allowed is a number of at least 0"),
      (stable(from: -1), "warmUpStableDecay: from is -1.0"),
      (stable(to: -1), "warmUpStableDecay: to is -1.0"),
      (.inverseRoot(1, warmUp: -2), "inverseRoot: warmUp is -2.0"),
      (.warmUp(-3).then(.constant(1)), "schedule warmUp: steps"),
      (.warmUp(-3).then(.constant(1)), "steps is -3.0"),
      (.constant(1).lasting(-1), "lasting is -1.0"),
      (.constant(1).then(.constant(2)), "follows one that never ends (constant)"),
      (.warmUp(2).then(.custom { _ in .nan }), "to is nan"),
    ]
    for (schedule, message) in bad {
      #expect { try schedule.validate() } throws: { "\($0)".contains(message) }
      for t in [-1, 0, 1, 2, 1000, .max] { _ = schedule.learningRate(after: t) }
      _ = schedule.lasting(3).then(schedule).learningRate(after: 5)
    }
  }

  @Test("the caller's floating-point environment changes no bit", arguments: ready)
  func environment(_ item: Item) {
    let expected = rates(item.schedule, Array(0..<60))
    let before = descent_environment_default()
    descent_environment_restore(FloatingPointEnvironmentTests.hostile)
    let hostile = rates(item.schedule, Array(0..<60))
    descent_environment_restore(before)
    #expect(hostile == expected)
  }

  @Test("the rates are the same bits on every machine")
  func pinned() {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for schedule in Self.ready.map({ $0.schedule }) {
      for t in Array(0..<60) + [1_000, 1_000_000, 1_000_000_000, .max] {
        hash = (hash ^ schedule.learningRate(after: t).bitPattern) &* 0x0000_0100_0000_01b3
      }
    }
    #expect(hash == 0xcad5_fc74_3786_1930, "\(String(hash, radix: 16))")
  }
}
