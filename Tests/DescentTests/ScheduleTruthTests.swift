import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// What PyTorch, Optax and Keras computed, and what the C library makes of cos and pow.
@Suite struct ScheduleTruthTests {
  struct Golden: Decodable, CustomTestStringConvertible {
    var id, kind, peer: String
    var hyper: [String: Double]
    var flags: [String]
    var float64Values: String

    var testDescription: String { id }

    func callAsFunction(_ name: String) -> Double { hyper[name, default: 0] }
    func steps(_ name: String) -> Int { Int(self(name)) }

    var schedule: Schedule? {
      let (rate, start, end) = (self("learningRate"), self("start"), self("end"))
      return switch kind {
      case "constant": .constant(rate)
      case "linear": .linear(from: start, to: end, steps: steps("steps"))
      // PyTorch's climbs again after its end; its first half is the same.
      case "cosine": .cosine(from: start, to: end, steps: steps("steps"))
      case "step": .step(rate, factor: self("gamma"), every: steps("steps"))
      case "exponential" where flags.contains("staircase"):
        .step(rate, factor: self("gamma"), every: steps("steps"))
      case "exponential": .exponential(rate, factor: self("gamma"), every: steps("steps"))
      case "multiStep":
        .multiStep(
          rate, factor: self("gamma"),
          at: ["at1", "at2"].map { steps($0) + (flags.contains("lateByOne") ? 1 : 0) })
      case "polynomial":
        .polynomial(from: start, to: end, steps: steps("steps"), power: self("power"))
      case "inverseTime": .inverseTime(rate, decay: self("gamma"), every: steps("steps"))
      case "warmupCosine":
        .warmUp(steps("warmup"), from: start)
          .then(.cosine(from: self("peak"), to: end, steps: steps("decay")))
      case "warmupStableDecay":
        .warmUpStableDecay(
          peak: self("peak"), warmUp: steps("warmup"), stable: steps("stable"),
          decay: steps("decay"), from: start, to: end)
      case "oneCycle": oneCycle
      default: nil
      }
    }

    private var oneCycle: Schedule {
      let shape: Schedule.Shape = flags.contains("cosine") ? .cosine : .linear
      let (peak, total) = (self("learningRate"), self("total"))
      if flags.contains("phaseEndsMinusOne") {
        return .oneCycle(
          peak: peak, steps: Int(total), warmUpFraction: self("warmFraction"),
          initialDivisor: self("initialDivisor"), finalDivisor: self("finalDivisor"),
          shape: shape, threePhase: flags.contains("threePhase"))
      }
      let low = peak / self("initialDivisor")
      var knots: [Schedule.Knot] = [
        .init(at: 0, rate: low),
        .init(at: (self("warmFraction") * total).rounded(.down), rate: peak),
      ]
      if flags.contains("threePhase") {
        knots.append(.init(at: (self("coolFraction") * total).rounded(.down), rate: low))
      }
      return .knots(
        knots + [.init(at: total, rate: low / self("finalDivisor"))], shape: shape)
    }
  }

  struct File: Decodable { var schedules: [Golden] }

  static let goldens = Result {
    try JSONDecoder().decode(
      File.self, from: Data(contentsOf: URL(filePath: goldensFolder + "/schedules.json"))
    ).schedules
  }

  @Test("every recorded schedule is there")
  func complete() throws {
    #expect(try Self.goldens.get().count == 28)
  }

  @Test("rates are the library's", arguments: (try? goldens.get()) ?? [])
  func truth(_ golden: Golden) throws {
    let schedule = try #require(golden.schedule)
    try schedule.validate()
    var expected = golden.float64Values.split(separator: " ").map { Double($0) ?? .nan }
    if golden.flags.contains("periodic") { expected.removeSubrange((golden.steps("steps") + 1)...) }
    let peak = expected.max() ?? 0
    // Optax and Keras work in Float32; PyTorch's recurrences drift by some roundings.
    let bound = (golden.peer == "torch" ? 1e-14 : 5e-7) * peak
    for (t, rate) in expected.enumerated() {
      #expect(abs(schedule.learningRate(after: t) - rate) <= bound, "after \(t)")
    }
  }

  @Test("restarts follow PyTorch's formula")
  func restarts() {
    // CosineAnnealingWarmRestarts: T₀ = 5, doubled each time; η_min + (η − η_min)(1 + cos(π
    // T/Tᵢ))/2.
    let schedule = Schedule.cosineRestarts(from: 0.3, to: 0.03, steps: 5, lengthFactor: 2)
    var (t, length) = (0, 5)
    for step in 0..<200 {
      let rate = 0.03 + 0.27 / 2 * (1 + cos(.pi * Double(t) / Double(length)))
      #expect(abs(schedule.learningRate(after: step) - rate) <= 1e-15)
      t += 1
      if t == length { (t, length) = (0, 2 * length) }
    }
  }

  private func ulps(_ value: Double, _ expected: Double) -> Double {
    abs(value - expected) / expected.ulp
  }

  @Test("cosine and sine are within 2 ulp of the C library's")
  func trigonometry() {
    var worst = 0.0
    for k in 0...100_000 {
      let y = Double(k) / 100_000 * .pi / 4
      worst = max(worst, ulps(sineOfSmall(y), sin(y)), ulps(cosineOfSmall(y), cos(y)))
    }
    #expect(worst <= 2)
    // The library receives π x rounded, so it is called where the rounding costs least.
    worst = 0
    for k in 0...100_000 where k != 50_000 {
      let x = Double(k) / 100_000
      let expected =
        x > 0.75 ? -cos(.pi * (1 - x)) : x > 0.25 ? sin(.pi * (0.5 - x)) : cos(.pi * x)
      worst = max(worst, ulps(cosineOfPi(times: x), expected))
    }
    #expect(worst <= 2)
    #if arch(x86_64)
    worst = 0
    for k in 0...100_000 where k != 50_000 {
      let x = Double(k) / 100_000
      let expected = sin(Float80.pi * (0.5 - Float80(x)))
      let error = Float80(cosineOfPi(times: x)) - expected
      worst = max(worst, abs(Double(error)) / Double(expected).ulp)
    }
    #expect(worst <= 2)
    #endif
    #expect([0, 0.5, 1].map(cosineOfPi(times:)) == [1, 0, -1])
  }

  @Test("logarithms are within 2 ulp of the C library's")
  func logarithms() {
    var worst = 0.0
    for k in 1...20_000 {
      let x = Double(k) / 20_000
      for value in [x, 1 - x * 1e-6, 1 + x, 1e-300 * x, 1e300 * x] where value != 1 {
        worst = max(worst, abs(logarithm(value) - log(value)) / log(value).ulp)
      }
    }
    #expect(worst <= 2)
    #expect(logarithm(1) == 0 && logarithm(0) == -.infinity)
  }

  @Test("powers are within 4 ulp of the C library's")
  func powers() {
    var worst = 0.0
    for k in 0...20_000 {
      let x = Double(k) / 20_000
      for base in [1e-12, 0.03, 0.5, 0.9, 0.9999, 1.7, 30] {
        worst = max(worst, ulps(power(base, x), pow(base, x)))
      }
      if k > 0 { worst = max(worst, ulps(power(x, 1.5), pow(x, 1.5))) }
    }
    #expect(worst <= 4)
    #expect(power(0, 0.5) == 0 && power(0, 0.0) == 1 && power(2, 3.0) == 8)
    #expect(power(0.5, 1e300) == 0 && power(1, 1e300) == 1 && power(1, .infinity) == 1)
  }
}
