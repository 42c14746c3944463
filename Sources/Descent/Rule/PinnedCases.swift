/// The pinned steps of every setting as text, for programs in other languages: Tests/Arm/check.c.
///
/// `pinned COUNT STEPS`, then for each setting `case KERNEL DIGEST STATES SCALARS NAME`, the
/// states' initial values, and a line for each step with the preparation's floats and the rule's
/// scalars. Every float is the hexadecimal digits of its bits, all of them set for a state that
/// begins as the parameters.
package func pinnedCases(count: Int, steps: Int) -> String {
  // Rules of several passes need whole tensors.
  let cases = Rules.all.flatMap { $0.variants }.filter { $0.rule.passes.count == 1 }
    .map { lines(of: $0, steps: steps) }
  return "pinned \(count) \(steps)\n" + cases.joined()
}

private func lines(of variant: RuleVariant, steps: Int) -> String {
  let rule = variant.rule
  var (text, scalarCount) = ("", 0)
  var history = rule.history.map(\.start)
  for step in 1...steps {
    rule.withScalars(at: step, history: &history, gradientScale: 1) { preparation, scalars in
      scalarCount = scalars.count / MemoryLayout<Float>.stride
      text += "\(hexadecimal(preparation)) \(hexadecimal(scalars))\n"
    }
  }
  let initial = rule.states.map { state in
    if case .value(let value) = state.start { Float(value) } else { Float(bitPattern: .max) }
  }
  return "case \(rule.kernel) \(String(variant.digest, radix: 16)) \(initial.count) \(scalarCount) "
    + "\(variant)\n\(initial.withUnsafeBytes { hexadecimal($0) })\n\(text)"
}

private func hexadecimal(_ floats: UnsafeRawBufferPointer) -> String {
  floats.bindMemory(to: UInt32.self).map { String($0, radix: 16) }.joined(separator: " ")
}
