import Foundation

/// Maps values to positions on an axis, with ticks at 1, 2 and 5 times powers of ten, or at
/// multiples of these if a logarithmic scale is too short for two such ticks.
package struct Scale: Sendable {
  package enum Kind: Sendable { case linear, logarithmic }

  package struct Tick: Equatable, Sendable {
    package var value: Double
    package var label: String

    package init(value: Double, label: String) { (self.value, self.label) = (value, label) }
  }

  let kind: Kind
  package let range: ClosedRange<Double>
  package let ticks: [Tick]

  /// A scale from the minimum to the maximum of the values that such a scale can show.
  ///
  /// - Parameters:
  ///   - tickCount: the maximum number of ticks; below three it counts as three.
  ///   - isWidened: whether the scale ends at round numbers rather than at the outermost values.
  package init(_ kind: Kind, over values: [Double], tickCount: Int, isWidened: Bool) {
    let limit = 1e300  // Above this the difference of two values might overflow.
    let usable = values.filter { abs($0) <= limit && (kind == .linear || $0 >= 1 / limit) }
    let low = usable.min() ?? (kind == .linear ? 0 : 0.1)
    let high = usable.max() ?? 1
    self.kind = kind
    switch kind {
    case .linear:
      (range, ticks) = Self.linear(low, high, tickCount: max(tickCount, 3), isWidened: isWidened)
    case .logarithmic:
      (range, ticks) = Self.logarithmic(
        low, high, tickCount: max(tickCount, 3), isWidened: isWidened)
    }
  }

  /// The position of the value: 0 at the lower end, 1 at the upper, other numbers outside the
  /// scale; nil if the value is not finite. A number without a logarithm is far below a logarithmic
  /// scale.
  func position(_ value: Double) -> Double? {
    guard value.isFinite else { return nil }
    switch kind {
    case .linear:
      return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    case .logarithmic:
      let whole = log10(range.upperBound) - log10(range.lowerBound)
      return (log10(max(value, 1e-300)) - log10(range.lowerBound)) / whole
    }
  }

  private static func linear(
    _ low: Double, _ high: Double, tickCount: Int, isWidened: Bool
  ) -> (ClosedRange<Double>, [Tick]) {
    var (low, high) = (low, high)
    // A constant needs a range too, and the labels of closer ticks would be too long to read.
    if high - low <= max(abs(low), abs(high)) * 1e-9 {
      let margin = low == 0 ? 1 : abs(low) / 10
      (low, high) = (low - margin, high + margin)
    }
    let finest = (high - low) / Double(tickCount)
    var step = RoundNumber(mantissa: 1, exponent: Int(log10(finest).rounded(.down)))
    func multiplesInRange() -> ClosedRange<Int> {
      // 0.3 / 0.1 is below 3, but there must be a tick at 0.3.
      let (first, last) = (low / step.value, high / step.value)
      return isWidened
        ? Int(first.rounded(.down))...Int(last.rounded(.up))
        : Int((first - 1e-9).rounded(.up))...Int((last + 1e-9).rounded(.down))
    }
    while multiplesInRange().count > tickCount { step = step.next }

    let multiples = multiplesInRange().map {
      RoundNumber(mantissa: $0 * step.mantissa, exponent: step.exponent)
    }
    if isWidened, let lowest = multiples.first, let highest = multiples.last {
      (low, high) = (lowest.value, highest.value)
    }
    let isLong = step.exponent < -4 || max(abs(low), abs(high)) >= 1e6
    let ticks = multiples.map { Tick(value: $0.value, label: $0.label(isScientific: isLong)) }
    return (low...high, ticks)
  }

  private static func logarithmic(
    _ low: Double, _ high: Double, tickCount: Int, isWidened: Bool
  ) -> (ClosedRange<Double>, [Tick]) {
    var candidates = [RoundNumber(mantissa: 1, exponent: Int(log10(low).rounded(.down)) - 1)]
    while candidates[candidates.count - 1].value <= high * 1.0000001 {
      candidates.append(candidates[candidates.count - 1].next)
    }
    var (low, high) = (low, high)
    if isWidened || low == high {
      low = candidates.last { $0.value <= low }?.value ?? low
      high = candidates.first { $0.value >= high && $0.value > low }?.value ?? high
    }
    candidates.removeAll { $0.value < low || $0.value > high }

    // Only powers of ten if 1, 2 and 5 are too many; then every second power, every third …
    var ticks = candidates
    var stride = 1
    while ticks.count > tickCount {
      ticks = candidates.filter { $0.mantissa == 1 && $0.exponent.isMultiple(of: stride) }
      stride += 1
    }
    if ticks.count < 2 {
      return (low...high, linear(low, high, tickCount: tickCount, isWidened: false).1)
    }
    return (
      low...high,
      ticks.map {
        Tick(value: $0.value, label: $0.label(isScientific: !(-4...5).contains($0.exponent)))
      }
    )
  }
}

/// mantissa · 10^exponent, so that a tick's label is exact.
private struct RoundNumber {
  var mantissa: Int
  var exponent: Int

  /// The nearest Double, converted from text, which rounds once.
  var value: Double { Double("\(mantissa)e\(exponent)") ?? .nan }

  /// The next of 1, 2, 5, 10, 20 …
  var next: RoundNumber {
    switch mantissa {
    case 1: RoundNumber(mantissa: 2, exponent: exponent)
    case 2: RoundNumber(mantissa: 5, exponent: exponent)
    default: RoundNumber(mantissa: 1, exponent: exponent + 1)
    }
  }

  /// All digits down to the exponent's place ("0.50"), or one digit before the point ("5e-7").
  func label(isScientific: Bool) -> String {
    var digits = "\(mantissa.magnitude)"
    let sign = mantissa < 0 ? "−" : ""
    guard mantissa != 0 || !isScientific else { return "0" }
    if isScientific {
      let power = exponent + digits.count - 1
      while digits.count > 1 && digits.last == "0" { digits.removeLast() }
      let rest = digits.dropFirst()
      return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest)
        + (power < 0 ? "e−\(-power)" : "e\(power)")
    }
    if exponent >= 0 {
      return sign + digits + (mantissa == 0 ? "" : String(repeating: "0", count: exponent))
    }
    digits = String(repeating: "0", count: max(0, 1 - exponent - digits.count)) + digits
    return sign + digits.dropLast(-exponent) + "." + digits.suffix(-exponent)
  }
}
