internal import Safetensors

extension Double {
  /// Whether it is above 0 and stays so as a `Float`: 2⁻¹⁵⁰ and less become 0, to nearest and to
  /// even. As a comparison it does not depend on how the caller's environment treats denormals.
  var isPositiveAsFloat: Bool { self > 0x1p-150 }

  /// Whether it is 0, or has a magnitude that stays above 0 as a `Float`.
  var keepsItsSignAsFloat: Bool { self == 0 || magnitude.isPositiveAsFloat }
}

/// Throws unless a gradient can be multiplied by `scale` and mean something.
func checkScale(_ scale: Double) throws(DescentError) {
  guard Float(scale).isFinite, scale.keepsItsSignAsFloat else {
    throw .value(of: "gradientScale", given: "\(scale)", allowed: "what a Float can hold")
  }
}

/// Throws unless a state may have this count of steps.
func checkStepCount(_ what: @autoclosure () -> String, _ count: Int) throws(DescentError) {
  try checkStepCount(what(), count, from: 0)
}

/// Throws unless a step may have this number.
func checkStep(_ step: Int) throws(DescentError) { try checkStepCount("step", step, from: 1) }

private func checkStepCount(
  _ what: @autoclosure () -> String, _ count: Int, from least: Int
) throws(DescentError) {
  guard (least...OptimizerStatus.maximumStepCount).contains(count) else {
    throw .value(
      of: what(), given: "\(count)", allowed: "\(least) to \(OptimizerStatus.maximumStepCount)")
  }
}

/// Throws if one of these ranges of memory that is written shares an element with another: that
/// must not change before it is read.
func checkApart<Address: Comparable>(
  _ pieces: [(range: Range<Address>, isWritten: Bool)]
) throws(DescentError) {
  var (end, writtenEnd): (Address?, Address?) = (nil, nil)
  for (range, isWritten) in pieces.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
    // Those before begin no later, so they reach into this one if one of them ends behind its
    // start.
    if let other = isWritten ? end : writtenEnd, other > range.lowerBound {
      throw .overlap
    }
    end = max(end ?? range.upperBound, range.upperBound)
    if isWritten { writtenEnd = max(writtenEnd ?? range.upperBound, range.upperBound) }
  }
}

func overlap(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  guard let startA = a.baseAddress, let startB = b.baseAddress, !a.isEmpty, !b.isEmpty else {
    return false
  }
  return startA < startB + b.count && startB < startA + a.count
}

/// Throws ``DescentError/memory(bytes:)`` where there is no memory for so many elements.
package func checkMemory(_ count: Int, stride: Int) throws(DescentError) {
  if let bytes = missingMemory(count, stride) { throw .memory(bytes: bytes) }
}
