import Descent
import Training

/// The catalogue of surfaces.
package enum Surfaces {
  package static let all: [Surface] = [
    parabola, ravine(), saddle, monkey, rosenbrock, beale, himmelblau, booth, styblinskiTang,
    plateau, noisy,
  ]

  /// The surface of that name; throws ``DescentError/unknown(kind:name:known:)`` with the known
  /// ones.
  package static func named(_ name: String) throws -> Surface {
    guard let surface = all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "surface", name: name, known: all.map(\.name))
    }
    return surface
  }

  /// The bowl x² + y², whose curvature is 2 in every direction.
  static let parabola = Surface(
    name: "parabola", title: "Parabola: x² + y²", source: "the simplest convex function",
    domain: .init(x: -2...2, y: -1.5...1.5),
    minima: [.init(x: 0, y: 0)], start: .init(x: -1.8, y: 1.1),
    learningRates: [
      "sgd": 0.05, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.2, "rmsprop": 0.01,
      "adam": 0.05, "adamw": 0.05, "amsgrad": 0.05,
    ],
    value: { x, y in x * x + y * y },
    gradient: { x, y in .init(x: 2 * x, y: 2 * y) })

  /// A valley ½(x² + κy²) along the x axis, whose curvature across is κ times that along.
  ///
  /// - Parameter condition: κ, which is positive. Gradient descent diverges at a rate above 2/κ
  ///   (for κ of 1 or more), so the rates of the rules without one per parameter follow it.
  static func ravine(condition: Double = 20) -> Surface {
    Surface(
      name: "ravine", title: "Ravine: ½(x² + \(short(condition))y²)",
      source: "Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
      domain: .init(x: -5...2, y: -1.5...1.5),
      minima: [.init(x: 0, y: 0)], start: .init(x: -4.5, y: 1),
      learningRates: [
        "sgd": 1.8 / condition, "momentum": 0.4 / condition, "nesterov": 0.4 / condition,
        "adagrad": 0.5, "rmsprop": 0.02, "adam": 0.1, "adamw": 0.1, "amsgrad": 0.1,
      ],
      value: { x, y in (x * x + condition * y * y) / 2 },
      gradient: { x, y in .init(x: x, y: condition * y) })
  }

  /// A saddle: along x it falls to the middle and rises again; along y it falls without bound on
  /// both sides.
  static let saddle = Surface(
    name: "saddle", title: "Saddle: x² − y²",
    source: "Dauphin et al., arXiv:1406.2572, on why such points hold up training",
    domain: .init(x: -2...2, y: -1.5...1.5), start: .init(x: -1.8, y: 0.001),
    learningRates: [
      "sgd": 0.01, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.1, "rmsprop": 0.01,
      "adam": 0.02, "adamw": 0.02, "amsgrad": 0.02,
    ],
    value: { x, y in x * x - y * y },
    gradient: { x, y in .init(x: 2 * x, y: -2 * y) })

  /// A saddle with three ways up and three ways down, where the curvature is zero too.
  static let monkey = Surface(
    name: "monkey", title: "Monkey saddle: x³ − 3xy²",
    source: "Hilbert & Cohn-Vossen, Geometry and the Imagination (1932)",
    domain: .init(x: -2...2, y: -1.5...1.5), start: .init(x: 1.6, y: 0.001),
    learningRates: [
      "sgd": 0.01, "momentum": 0.005, "nesterov": 0.005, "adagrad": 0.1, "rmsprop": 0.01,
      "adam": 0.02, "adamw": 0.02, "amsgrad": 0.02,
    ],
    value: { x, y in x * (x * x - 3 * y * y) },
    gradient: { x, y in .init(x: 3 * (x * x - y * y), y: -6 * x * y) })

  /// A curved valley with steep sides and a nearly flat bottom.
  static let rosenbrock = Surface(
    name: "rosenbrock", title: "Rosenbrock: (1 − x)² + 100(y − x²)²",
    source: "Rosenbrock, The Computer Journal 3 (1960)",
    domain: .init(x: -2...2, y: -0.5...2.5),
    minima: [.init(x: 1, y: 1)], start: .init(x: -1.2, y: 1),
    learningRates: [
      "sgd": 0.001, "momentum": 0.0005, "nesterov": 0.0005, "adagrad": 0.3, "rmsprop": 0.02,
      "adam": 0.2, "adamw": 0.2, "amsgrad": 0.2, "prodigy": 0.5,
    ],
    value: { x, y in
      let (a, b) = (1 - x, y - x * x)
      return a * a + 100 * b * b
    },
    gradient: { x, y in
      let b = y - x * x
      return .init(x: -2 * (1 - x) - 400 * x * b, y: 200 * b)
    })

  /// A flat cross between four high corners; the minimum is in one of its arms.
  static let beale = Surface(
    name: "beale", title: "Beale: Σ (cᵢ − x + xyⁱ)²",
    source: "Beale, On an iterative method for finding a local minimum, Princeton (1958)",
    domain: .init(x: -1...4.5, y: -2...2),
    minima: [.init(x: 3, y: 0.5)], start: .init(x: 0.7, y: 1.4),
    learningRates: [
      "sgd": 0.01, "momentum": 0.005, "nesterov": 0.005, "adagrad": 0.5, "rmsprop": 0.02,
      "adam": 0.1, "adamw": 0.1, "amsgrad": 0.1,
    ],
    value: { x, y in
      let (a, b, c) = bealeTerms(x, y)
      return a * a + b * b + c * c
    },
    gradient: { x, y in
      let (a, b, c) = bealeTerms(x, y)
      return .init(
        x: 2 * (a * (y - 1) + b * (y * y - 1) + c * (y * y * y - 1)),
        y: 2 * x * (a + 2 * b * y + 3 * c * y * y))
    })

  private static func bealeTerms(_ x: Double, _ y: Double) -> (Double, Double, Double) {
    (1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y)
  }

  /// Four minima of value 0 around a hill: where a walk ends depends on how it begins.
  static let himmelblau = Surface(
    name: "himmelblau", title: "Himmelblau: (x² + y − 11)² + (x + y² − 7)²",
    source: "Himmelblau, Applied Nonlinear Programming (1972)",
    domain: .init(x: -6...6, y: -5...5),
    minima: [
      .init(x: 3, y: 2), .init(x: -2.805118086952745, y: 3.131312518250573),
      .init(x: -3.779310253377747, y: -3.283185991286170),
      .init(x: 3.584428340330492, y: -1.848126526964404),
    ],
    start: .init(x: 0.3, y: -0.9),
    learningRates: [
      "sgd": 0.005, "momentum": 0.002, "nesterov": 0.002, "adagrad": 0.5, "rmsprop": 0.05,
      "adam": 0.1, "adamw": 0.1, "amsgrad": 0.1,
    ],
    value: { x, y in
      let (a, b) = (x * x + y - 11, x + y * y - 7)
      return a * a + b * b
    },
    gradient: { x, y in
      let (a, b) = (x * x + y - 11, x + y * y - 7)
      return .init(x: 4 * x * a + 2 * b, y: 2 * a + 4 * y * b)
    })

  /// A valley diagonal to the axes, whose curvature across is nine times that along: rates per
  /// parameter cannot correct it.
  static let booth = Surface(
    name: "booth", title: "Booth: (x + 2y − 7)² + (2x + y − 5)²",
    source: "Jamil & Yang, arXiv:1308.4008, function 17",
    domain: .init(x: -6...8, y: -3...8),
    minima: [.init(x: 1, y: 3)], start: .init(x: -5, y: -1),
    learningRates: [
      "sgd": 0.05, "momentum": 0.01, "nesterov": 0.01, "adagrad": 1, "rmsprop": 0.05, "adam": 0.2,
      "adamw": 0.2, "amsgrad": 0.2,
    ],
    value: { x, y in
      let (a, b) = (x + 2 * y - 7, 2 * x + y - 5)
      return a * a + b * b
    },
    gradient: { x, y in
      let (a, b) = (x + 2 * y - 7, 2 * x + y - 5)
      return .init(x: 2 * a + 4 * b, y: 4 * a + 2 * b)
    })

  /// Four minima of different depths; the lowest is at negative x and y.
  static let styblinskiTang = Surface(
    name: "styblinski-tang", title: "Styblinski–Tang: ½ Σ (x⁴ − 16x² + 5x)",
    source: "Styblinski & Tang, Neural Networks 3 (1990)",
    domain: .init(x: -4.5...4.5, y: -4...4),
    minima: styblinskiTangRoots.flatMap { x in styblinskiTangRoots.map { .init(x: x, y: $0) } },
    start: .init(x: 4.2, y: 3.6),
    learningRates: [
      "sgd": 0.01, "momentum": 0.015, "nesterov": 0.02, "adagrad": 0.5, "rmsprop": 0.02,
      "adam": 0.1, "adamw": 0.1, "amsgrad": 0.1,
    ],
    value: { x, y in (styblinskiTangTerm(x) + styblinskiTangTerm(y)) / 2 },
    gradient: { x, y in
      .init(x: x * (2 * x * x - 16) + 2.5, y: y * (2 * y * y - 16) + 2.5)
    })

  /// The outer roots of 2x³ − 16x + 2.5; the inner one is a maximum.
  private static let styblinskiTangRoots = [-2.903534027771177, 2.7468027709908367]

  private static func styblinskiTangTerm(_ x: Double) -> Double { x * (x * (x * x - 16) + 5) }

  /// A nearly flat plain, a cliff at −½ < x < ½, and a shallow basin below it. One step is far too
  /// short on the plain, and at the cliff it jumps across the basin.
  static let plateau = Surface(
    name: "plateau", title: "Plateau with a cliff",
    source: "after Pascanu, Mikolov & Bengio, arXiv:1211.5063, on exploding gradients",
    domain: .init(x: -3.5...5, y: -3...3),
    minima: [.init(x: 3, y: 0)], start: .init(x: -2, y: 1.5),
    learningRates: [
      "sgd": 0.2, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.2, "rmsprop": 0.05, "adam": 0.05,
      "adamw": 0.05, "amsgrad": 0.05,
    ],
    value: { x, y in 4 * (1 - smoothStep(x + 0.5)) + basin(x - 3) + basin(y) },
    gradient: { x, y in
      .init(x: basinSlope(x - 3) - 4 * smoothStepSlope(x + 0.5), y: basinSlope(y))
    })

  /// A polynomial from 0 at t = 0 to 1 at t = 1 that continues constants with two continuous
  /// derivatives.
  private static func smoothStep(_ t: Double) -> Double {
    if t <= 0 { return 0 }
    if t >= 1 { return 1 }
    return t * t * t * (t * (6 * t - 15) + 10)
  }

  private static func smoothStepSlope(_ t: Double) -> Double {
    guard t > 0 && t < 1 else { return 0 }
    return 30 * t * t * (t - 1) * (t - 1)
  }

  /// A parabola near 0; far away the slope is at most 0.2.
  private static func basin(_ t: Double) -> Double { 0.2 * ((1 + t * t).squareRoot() - 1) }

  private static func basinSlope(_ t: Double) -> Double { 0.2 * t / (1 + t * t).squareRoot() }

  /// The mean of many bowls ½((x − a)² + (y − b)²) whose centres (a, b) are spread around 0. A step
  /// uses one of them, as training uses one mini-batch: the error of the gradient does not shrink
  /// with the gradient.
  static let noisy = Surface(
    name: "noisy", title: "Parabola seen by mini-batches",
    source: "Bottou, Curtis & Nocedal, arXiv:1606.04838, section 4",
    domain: .init(x: -2...2, y: -1.5...1.5),
    minima: [.init(x: 0, y: 0)], start: .init(x: -1.8, y: 1.1),
    learningRates: [
      "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.2, "rmsprop": 0.02, "adam": 0.05,
      "adamw": 0.05, "amsgrad": 0.05,
    ],
    value: { x, y in (x * x + y * y) / 2 },
    gradient: { x, y in .init(x: x, y: y) },
    noise: { step in
      var generator = SplitMix64(seed: UInt64(bitPattern: Int64(step)))
      return .init(x: generator.normal() / 2, y: generator.normal() / 2)
    })

  private static func short(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 1e6 ? "\(Int(number))" : "\(number)"
  }
}
