/// The Newton–Schulz iteration, by which the singular values of a matrix come close to 1 while
/// its singular vectors stay.
///
///     K = O Oᵀ
///     O ← a O + (b K + c K²) O
///
/// Higham 2008, *Functions of Matrices*, chapter 8; the coefficients are those of Muon (Jordan et
/// al. 2024), with which small singular values grow fastest and the others scatter around 1.
///
/// Where the longer side of a matrix is at least 1.5 times the shorter one, the same polynomial is
/// computed over Gram matrices: Q with O ← Q O is accumulated from R = O Oᵀ alone, which costs
/// less. After two steps O is computed and R anew, since the condition of R is the square of O's.
public struct NewtonSchulz: Hashable, Sendable {
  /// The polynomial's coefficients.
  public let a, b, c: Double
  /// How often it is applied; at least 1.
  public let steps: Int

  /// An iteration, by default Muon's.
  public init(a: Double = 3.4445, b: Double = -4.775, c: Double = 2.0315, steps: Int = 5) {
    (self.a, self.b, self.c, self.steps) = (a, b, c, steps)
  }

  /// Whether a matrix is computed over Gram matrices.
  static func usesGramForm(shorter: Int, longer: Int) -> Bool {
    // 2 · longer is no more than an Int, as the matrix is in memory.
    2 * longer >= 3 * shorter
  }

  /// How many steps are computed from one Gram matrix each.
  var runs: [Int] { steps > 2 ? [2, steps - 2] : [steps] }
}
