/// A smooth function of two parameters to walk down on, with what a picture of it needs.
///
/// Values and gradients are worked out in `Double` by + − × ÷ √ and comparisons alone, so that a
/// walk leaves the same bits on every machine.
struct Surface: Sendable {
  /// A place on it; also the two parts of a gradient.
  struct Point: Hashable, Sendable {
    var x: Double
    var y: Double

    var isFinite: Bool { x.isFinite && y.isFinite }

    func distance(to other: Point) -> Double {
      let (width, height) = (x - other.x, y - other.y)
      return (width * width + height * height).squareRoot()
    }
  }

  /// The part of it that is drawn.
  struct Domain: Hashable, Sendable {
    var x: ClosedRange<Double>
    var y: ClosedRange<Double>

    func contains(_ point: Point) -> Bool { x.contains(point.x) && y.contains(point.y) }
  }

  /// Its name on the command line: `"rosenbrock"`.
  var name: String
  /// Its name for readers, with the formula: `"Saddle: x² − y²"`.
  var title: String
  /// Where the function comes from.
  var source: String
  var domain: Domain
  /// Every local minimum in the domain; none where the function is not bounded from below.
  var minima: [Point] = []
  /// Where a walk shows what is special about the surface.
  var start: Point
  /// The rates, by the rules' names, that show the surface where a rule's default does not.
  var learningRates: [String: Double] = [:]
  var value: @Sendable (_ x: Double, _ y: Double) -> Double
  /// The derivatives by x and y; where there is noise, the mean of what steps see.
  var gradient: @Sendable (_ x: Double, _ y: Double) -> Point
  /// What is added to the gradient of a step, counted from 1: the same for every rule and engine.
  var noise: (@Sendable (_ step: Int) -> Point)?

  func value(at point: Point) -> Double { value(point.x, point.y) }

  /// What a rule sees at a point in its step `step`, counted from 1.
  func gradient(at point: Point, step: Int) -> Point {
    let mean = gradient(point.x, point.y)
    guard let noise = noise?(step) else { return mean }
    return Point(x: mean.x + noise.x, y: mean.y + noise.y)
  }

  /// How far it is to the nearest minimum; nil where there is none.
  func distanceToMinimum(from point: Point) -> Double? {
    minima.map { $0.distance(to: point) }.min()
  }
}
