/// A learning rate over the steps of a training run, as a value.
///
///     let schedule: Schedule = .warmUp(1000).then(.cosine(from: 1e-3, to: 1e-5, steps: 99_000))
///     schedule.learningRate(after: 0)  // of the first step
///
/// A schedule is made of parts, each of which starts where the one before ends; after its own end
/// the last one stays at its last rate. The ready ones are static functions; t is the number of
/// steps taken since the part began, so a part's first rate is the one at t = 0.
///
/// Rates are computed in `Double` from + − × ÷ √ alone, so two machines agree to the bit, and a
/// rate far out costs no more than a near one. A part of 0 steps is skipped. Numbers that make no
/// sense are refused by ``validate()``, with the name of the argument, and by the next step of an
/// optimizer that has the schedule; nothing traps on them.
public struct Schedule: Hashable, Sendable {
  struct Part: Hashable, Sendable, Codable {
    var curve: Curve
    /// After how many steps the next part starts, if that is not where the curve ends by itself.
    var lasts: Int?

    var length: Int? { lasts ?? curve.length }
  }

  private(set) var parts: [Part]

  init(_ curve: Curve) { parts = [Part(curve: curve)] }

  /// The rate of the next step after `steps` steps were taken; that of the first step is
  /// `learningRate(after: 0)`, and a negative number counts as 0. The caller's rounding mode and
  /// treatment of denormals do not matter.
  public func learningRate(after steps: Int) -> Double {
    withDefaultFloatingPoint {
      var t = max(0, steps)
      for part in parts.dropLast() {
        guard let length = part.length, t >= length else { return part.curve.rate(at: t) }
        t -= max(0, length)
      }
      return parts.last?.curve.rate(at: t) ?? .nan
    }
  }

  /// After how many steps a schedule that follows this one would start, or nil if it never ends.
  public var length: Int? {
    var sum = 0
    for part in parts {
      guard let length = part.length else { return nil }
      let (next, overflow) = sum.addingReportingOverflow(length)
      if overflow { return nil }
      sum = next
    }
    return sum
  }

  /// This schedule, and `next` after its end. One that never ends needs ``lasting(_:)`` first, or
  /// ``validate()`` refuses the sum.
  public func then(_ next: Schedule) -> Schedule {
    var schedule = self
    schedule.parts += next.parts
    return schedule
  }

  /// This schedule with its end after `steps` steps: cut there, or drawn out at the rate that it
  /// ends with. The end matters to what follows; if nothing follows, the last curve continues.
  public func lasting(_ steps: Int) -> Schedule {
    var (schedule, left) = (self, steps)
    schedule.parts = []
    for part in parts.dropLast() {
      guard let length = part.length, length < left else {
        schedule.parts.append(Part(curve: part.curve, lasts: left))
        return schedule
      }
      schedule.parts.append(part)
      left -= max(0, length)
    }
    if let last = parts.last { schedule.parts.append(Part(curve: last.curve, lasts: left)) }
    return schedule
  }

  /// A warm-up that takes its last rate from what follows it.
  public struct WarmUp: Hashable, Sendable {
    let steps: Int
    let start: Double

    /// The warm-up, then `next` from its beginning.
    public func then(_ next: Schedule) -> Schedule {
      if steps == 0 { return next }
      if steps < 0 { return .refusing("warmUp", "steps", Double(steps), "a number of at least 0") }
      return .linear(from: start, to: next.learningRate(after: 0), steps: steps).then(next)
    }
  }
}

extension Schedule {
  /// Throws ``DescentError/value(of:given:allowed:)`` for a number that is not allowed, and for a
  /// part that cannot follow another.
  public func validate() throws(DescentError) {
    if parts.isEmpty {
      throw .value(of: "a schedule's number of parts", given: "0", allowed: "1 or more")
    }
    for (index, part) in parts.enumerated() {
      try part.curve.validate()
      if let lasts = part.lasts { try part.curve.check("lasting", lasts, atLeast: 0) }
      if part.length == nil && index < parts.count - 1 {
        throw .value(
          of: "a schedule's part",
          given: "one that follows one that never ends (\(part.curve.name))",
          allowed: "one that follows a part with an end, as lasting(_:) gives it")
      }
    }
  }
}

extension Schedule: CustomStringConvertible {
  /// The parts in their order: `linear(from: 0.0, to: 0.001, steps: 1000).then(cosine(…))`.
  public var description: String {
    let parts = parts.map { part in
      "\(part.curve)" + (part.lasts.map { ".lasting(\($0))" } ?? "")
    }
    guard let first = parts.first else { return "a schedule without a part" }
    return parts.dropFirst().reduce(first) { "\($0).then(\($1))" }
  }
}

extension Schedule: Codable {
  /// Throws what ``validate()`` throws.
  public init(from decoder: any Decoder) throws {
    parts = try [Part](from: decoder)
    try validate()
  }

  /// A list of the parts with their curves' names and numbers. Throws
  /// ``DescentError/value(of:given:allowed:)`` if one is a function.
  public func encode(to encoder: any Encoder) throws {
    try parts.encode(to: encoder)
  }
}
