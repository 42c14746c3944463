/// A small generator of random numbers that gives the same numbers on every machine.
///
/// After Steele, Lea & Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). The
/// distributions below use comparisons and + − × ÷ alone: a C library's `log` and `cos`, and the
/// standard library's algorithms for `shuffle` and `random(in:)`, may change from one to the next.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A multiple of 2⁻⁵³ in [0, 1), uniformly distributed.
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A whole number in 0 ..< bound, uniformly distributed; `bound` is positive.
  ///
  /// Lemire, "Fast random integer generation in an interval" (arXiv:1805.10941).
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "no whole number lies below \(bound)")
    let bound = UInt64(bound)
    while true {
      let product = next().multipliedFullWidth(by: bound)
      if product.low >= (0 &- bound) % bound { return Int(product.high) }
    }
  }

  /// A number from the normal distribution with mean 0 and variance 1.
  ///
  /// Karney, "Sampling exactly from the normal distribution" (arXiv:1303.6257), algorithm N: the
  /// whole part k and the fraction x are accepted with probabilities whose product is
  /// proportional to exp(−(k + x)²/2).
  package mutating func normal() -> Double {
    while true {
      var k = 0
      while acceptsExponential(0.5) { k += 1 }
      guard (0..<k * (k - 1)).allSatisfy({ _ in acceptsExponential(0.5) }) else { continue }
      let x = uniform()
      // exp(−x(2k + x)/2) in k + 1 equal factors, each with an exponent below 1.
      let exponent = x * (Double(2 * k) + x) / Double(2 * k + 2)
      guard (0...k).allSatisfy({ _ in acceptsExponential(exponent) }) else { continue }
      let magnitude = Double(k) + x
      return next() >> 63 == 0 ? magnitude : -magnitude
    }
  }

  /// Puts the elements in a random order (Fisher & Yates), each order as likely as any other.
  package mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, below(last + 1))
    }
  }

  /// True with probability exp(−exponent), for an exponent in [0, 1].
  ///
  /// Von Neumann's method: the length of a run of falling uniform numbers is odd or even with the
  /// probabilities of the exponential series.
  private mutating func acceptsExponential(_ exponent: Double) -> Bool {
    var bound = exponent
    var accepts = true
    while true {
      let u = uniform()
      if u >= bound { return accepts }
      bound = u
      accepts.toggle()
    }
  }
}
