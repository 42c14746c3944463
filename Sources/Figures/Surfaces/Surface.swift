/// A smooth function of two parameters to walk down on, with what a picture of it needs.
///
/// Values and gradients are worked out in `Double` by + − × ÷ √ and comparisons alone, so that a
/// walk leaves the same bits on every machine.
package struct Surface: Sendable {
  /// A place on it; also the two parts of a gradient.
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
  /// Every local minimum in the domain; none where the function is not bounded from below.
  package var minima: [Point] = []
  /// Where a walk shows what is special about the surface.
  package var start: Point
  /// The rates, by the rules' names, that show the surface where a rule's default does not.
  package var learningRates: [String: Double] = [:]
  package var value: @Sendable (_ x: Double, _ y: Double) -> Double
  /// The derivatives by x and y; where there is noise, the mean of what steps see.
  package var gradient: @Sendable (_ x: Double, _ y: Double) -> Point
  /// What is added to the gradient of a step, counted from 1: the same for every rule and engine.
  package var noise: (@Sendable (_ step: Int) -> Point)?

  package func value(at point: Point) -> Double { value(point.x, point.y) }

  /// What a rule sees at a point in its step `step`, counted from 1.
  package func gradient(at point: Point, step: Int) -> Point {
    let mean = gradient(point.x, point.y)
    guard let noise = noise?(step) else { return mean }
    return Point(x: mean.x + noise.x, y: mean.y + noise.y)
  }

  /// How far it is to the nearest minimum; nil where there is none.
  package func distanceToMinimum(from point: Point) -> Double? {
    minima.map { $0.distance(to: point) }.min()
  }
}
