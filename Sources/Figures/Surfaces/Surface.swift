/// A smooth function of two parameters to minimize, with the data for a picture of it.
///
/// Values and gradients are computed in `Double` with + − × ÷ √ and comparisons only, so that a
/// walk has the same bits on every machine.
package struct Surface: Sendable {
  /// A point on it; also the two components of a gradient.
  package struct Point: Hashable, Sendable {
    package var x: Double
    package var y: Double

    package init(x: Double, y: Double) { (self.x, self.y) = (x, y) }

    package var isFinite: Bool { x.isFinite && y.isFinite }

    package func distance(to other: Point) -> Double {
      let (width, height) = (x - other.x, y - other.y)
      return (width * width + height * height).squareRoot()
    }
  }

  /// The part of it that is drawn.
  package struct Domain: Hashable, Sendable {
    package var x: ClosedRange<Double>
    package var y: ClosedRange<Double>

    package func contains(_ point: Point) -> Bool { x.contains(point.x) && y.contains(point.y) }
  }

  /// Its name on the command line: `"rosenbrock"`.
  package var name: String
  /// Its name for readers, with the formula: `"Saddle: x² − y²"`.
  package var title: String
  /// Where the function comes from.
  package var source: String
  package var domain: Domain
  /// Every local minimum in the domain; empty if the function is not bounded from below.
  package var minima: [Point] = []
  /// A start from which a walk shows what is special about the surface.
  package var start: Point
  /// Rates that show the surface, by rule name, where the rule's default does not.
  package var learningRates: [String: Double] = [:]
  package var value: @Sendable (_ x: Double, _ y: Double) -> Double
  /// The derivatives with respect to x and y; with noise, the mean of the gradients in steps.
  package var gradient: @Sendable (_ x: Double, _ y: Double) -> Point
  /// The noise that is added to the gradient of a step, counted from 1: the same for every rule and
  /// engine.
  package var noise: (@Sendable (_ step: Int) -> Point)?

  package func value(at point: Point) -> Double { value(point.x, point.y) }

  /// The gradient that a rule gets at a point in its step `step`, counted from 1.
  package func gradient(at point: Point, step: Int) -> Point {
    let mean = gradient(point.x, point.y)
    guard let noise = noise?(step) else { return mean }
    return Point(x: mean.x + noise.x, y: mean.y + noise.y)
  }

  /// The distance to the nearest minimum; nil if there is none.
  package func distanceToMinimum(from point: Point) -> Double? {
    minima.map { $0.distance(to: point) }.min()
  }
}
