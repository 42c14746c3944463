/// One formula of a schedule; t counts its own steps from 0. `Schedule+Ready.swift` documents them.
/// Names and labels are what files hold.
enum Curve: Hashable, Sendable, Codable {
  case constant(rate: Double)
  case linear(from: Double, to: Double, steps: Int)
  case step(rate: Double, factor: Double, every: Int)
  case multiStep(rate: Double, factor: Double, milestones: [Int])
  case exponential(rate: Double, factor: Double, every: Int)
  case polynomial(from: Double, to: Double, steps: Int, power: Double)
  case cosine(from: Double, to: Double, steps: Int)
  case cosineRestarts(
    from: Double, to: Double, steps: Int, lengthFactor: Int, peakFactor: Double)
  case inverseRoot(rate: Double, timescale: Int)
  case inverseTime(rate: Double, decay: Double, every: Int)
  case knots(points: [Schedule.Knot], shape: Schedule.Shape)
  case custom(function: ScheduleFunction)
  /// An invalid argument of a ready-made schedule.
  case refused(schedule: String, argument: String, value: Double, allowed: String)

  /// After how many steps the curve has come to its end.
  var length: Int? {
    switch self {
    case .linear(_, _, let steps), .polynomial(_, _, let steps, _), .cosine(_, _, let steps): steps
    // A time above `Int.max` is never reached, so it is no end.
    case .knots(let knots, _):
      knots.last.flatMap { Int(exactly: $0.time.rounded(.up)) }.map { max(0, $0) }
    default: nil
    }
  }

  func rate(at t: Int) -> Double {
    switch self {
    case .constant(let rate): return rate
    case .linear(let a, let b, let steps):
      return Schedule.Shape.linear.mix(a, b, Self.fraction(t, of: steps))
    case .step(let rate, let factor, let steps): return rate * power(factor, t / max(1, steps))
    case .multiStep(let rate, let factor, let milestones):
      return rate * power(factor, milestones.count { $0 <= t })
    case .exponential(let rate, let factor, let steps):
      let (whole, rest) = t.quotientAndRemainder(dividingBy: max(1, steps))
      return rate * power(factor, whole) * power(factor, Self.fraction(rest, of: steps))
    case .polynomial(let a, let b, let steps, let exponent):
      if t >= steps { return b }
      return t == 0 ? a : b + (a - b) * power(1 - Self.fraction(t, of: steps), exponent)
    case .cosine(let a, let b, let steps):
      return Schedule.Shape.cosine.mix(a, b, Self.fraction(t, of: steps))
    case .cosineRestarts(let a, let b, let steps, let lengthFactor, let peakFactor):
      let cycle = Self.cycle(at: t, first: steps, factor: lengthFactor)
      let peak = cycle.number == 0 ? a : b + (a - b) * power(peakFactor, cycle.number)
      return Schedule.Shape.cosine.mix(peak, b, Self.fraction(cycle.t, of: cycle.length))
    case .inverseRoot(let rate, let timescale):
      return rate / ((Double(t) + Double(timescale)) / Double(timescale)).squareRoot()
    case .inverseTime(let rate, let decay, let steps):
      return rate / (1 + decay * Double(t) / Double(max(1, steps)))
    case .knots(let knots, let shape): return Self.rate(at: Double(t), between: knots, shape)
    case .custom(let function): return function.rate(t)
    case .refused: return .nan
    }
  }

  /// t/N from 0 to 1.
  private static func fraction(_ t: Int, of steps: Int) -> Double {
    t >= steps ? 1 : Double(t) / Double(steps)
  }

  /// Cycles whose lengths stay grow in number with t, but need no loop; those that grow are few.
  private static func cycle(
    at t: Int, first: Int, factor: Int
  ) -> (number: Int, t: Int, length: Int) {
    var (number, t, length) = (0, t, max(1, first))
    if factor <= 1 { return (t / length, t % length, length) }
    while t >= length {
      t -= length
      number += 1
      let (next, overflow) = length.multipliedReportingOverflow(by: factor)
      length = overflow ? .max : next
    }
    return (number, t, length)
  }

  private static func rate(
    at t: Double, between knots: [Schedule.Knot], _ shape: Schedule.Shape
  ) -> Double {
    guard let first = knots.first, t > first.time else { return knots.first?.rate ?? .nan }
    for (a, b) in zip(knots, knots.dropFirst()) where t < b.time {
      return shape.mix(a.rate, b.rate, (t - a.time) / (b.time - a.time))
    }
    return knots.last?.rate ?? .nan
  }
}

extension Schedule.Shape {
  /// `a` at 0 and `b` at 1, both exactly.
  func mix(_ a: Double, _ b: Double, _ fraction: Double) -> Double {
    if fraction <= 0 { return a }
    if fraction >= 1 { return b }
    return switch self {
    case .linear: a + (b - a) * fraction
    case .cosine: b + (a - b) * 0.5 * (1 + cosineOfPi(times: fraction))
    }
  }
}

/// A caller's function. It cannot be compared or written down, so it is equal to itself alone.
final class ScheduleFunction: Hashable, Sendable, Codable, CustomStringConvertible {
  let rate: @Sendable (Int) -> Double

  init(_ rate: @escaping @Sendable (Int) -> Double) { self.rate = rate }

  var description: String { "…" }

  private static let refusal = DescentError.value(
    of: "a custom schedule", given: "a function, which no file can hold",
    allowed: "one of the ready schedules")

  init(from decoder: any Decoder) throws { throw Self.refusal }
  func encode(to encoder: any Encoder) throws { throw Self.refusal }

  static func == (a: ScheduleFunction, b: ScheduleFunction) -> Bool { a === b }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
