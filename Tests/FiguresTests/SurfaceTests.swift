import Descent
import Testing

@testable import Figures

extension Surface: CustomTestStringConvertible {
  public var testDescription: String { name }
}

@Suite struct SurfaceTests {
  static let bounded = Surfaces.all.filter { !$0.minima.isEmpty }

  /// Points of a grid over the domain; with odd counts, its middle is one of them.
  private func points(_ surface: Surface, _ count: Int) -> [Surface.Point] {
    func values(_ range: ClosedRange<Double>) -> [Double] {
      (0...count).map { index in
        range.lowerBound + (range.upperBound - range.lowerBound) * Double(index) / Double(count)
      }
    }
    let (xs, ys) = (values(surface.domain.x), values(surface.domain.y))
    return ys.flatMap { y in xs.map { Surface.Point(x: $0, y: y) } }
  }

  private func neighbours(_ point: Surface.Point, _ radius: Double) -> [Surface.Point] {
    [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)].map {
      Surface.Point(x: point.x + radius * $0.0, y: point.y + radius * $0.1)
    }
  }

  @Test(
    "the gradient is the value's slope", arguments: Surfaces.all + [Surfaces.ravine(condition: 3)])
  func gradients(_ surface: Surface) {
    let h = 1e-5
    for point in points(surface, 37) {
      let (x, y) = (point.x, point.y)
      let gradient = surface.gradient(x, y)
      let slopes = [
        (surface.value(x + h, y) - surface.value(x - h, y)) / (2 * h),
        (surface.value(x, y + h) - surface.value(x, y - h)) / (2 * h),
      ]
      for (given, slope) in zip([gradient.x, gradient.y], slopes) {
        #expect(abs(given - slope) <= 1e-6 * (1 + abs(slope)), "at \(point)")
      }
    }
  }

  @Test("minima are stationary and lower than what is around them", arguments: bounded)
  func minima(_ surface: Surface) {
    for minimum in surface.minima {
      #expect(surface.domain.contains(minimum))
      let gradient = surface.gradient(minimum.x, minimum.y)
      #expect(abs(gradient.x) < 1e-12 && abs(gradient.y) < 1e-12, "\(gradient)")
      for radius in [1e-4, 1e-2, 0.1] {
        for neighbour in neighbours(minimum, radius) {
          #expect(surface.value(at: neighbour) > surface.value(at: minimum))
        }
      }
    }
  }

  /// Without the curved valleys, whose bottoms have spurious minima on any grid.
  static let plain = Surfaces.all.filter { !["beale", "rosenbrock"].contains($0.name) }

  @Test("no minimum of the domain is missing", arguments: plain)
  func allMinima(_ surface: Surface) {
    let (count, side) = (200, 201)
    let points = points(surface, count)
    let values = points.map(surface.value(at:))
    let cell = points[0].distance(to: points[side + 1])
    for row in 1..<count {
      for column in 1..<count {
        let index = row * side + column
        let around = [-side - 1, -side, 1 - side, -1, 1, side - 1, side, side + 1]
        guard around.allSatisfy({ values[index + $0] > values[index] }) else { continue }
        let distance = surface.distanceToMinimum(from: points[index])
        #expect(distance ?? .infinity < 2 * cell, "a low at \(points[index])")
      }
    }
  }

  @Test("saddles are flat in the middle and fall from there", arguments: ["saddle", "monkey"])
  func saddles(_ name: String) throws {
    let surface = try Surfaces.named(name)
    #expect(surface.minima.isEmpty)
    #expect(surface.gradient(0, 0) == .init(x: 0, y: 0))
    let around = neighbours(.init(x: 0, y: 0), 0.1).map(surface.value(at:))
    #expect(around.contains { $0 < 0 } && around.contains { $0 > 0 })
  }

  @Test("mini-batches see the same noise in the same step, and none on average")
  func noise() throws {
    let surface = Surfaces.noisy
    let point = Surface.Point(x: 0.3, y: -0.7)
    let count = 20_000
    var (mean, square) = (Surface.Point(x: 0, y: 0), 0.0)
    for step in 1...count {
      let seen = surface.gradient(at: point, step: step)
      mean.x += seen.x / Double(count)
      mean.y += seen.y / Double(count)
      square += (seen.x - 0.3) * (seen.x - 0.3) / Double(count)
    }
    // Four standard deviations of the mean.
    #expect(abs(mean.x - 0.3) < 0.0142 && abs(mean.y + 0.7) < 0.0142, "\(mean)")
    #expect(abs(square - 0.25) < 0.01)
    #expect(surface.gradient(at: point, step: 7) == surface.gradient(at: point, step: 7))
    #expect(surface.gradient(at: point, step: 7) != surface.gradient(at: point, step: 8))
    for other in Surfaces.all where other.name != surface.name {
      #expect(other.gradient(at: point, step: 7) == other.gradient(0.3, -0.7))
    }
  }

  @Test("the catalogue is in order", arguments: Surfaces.all)
  func catalogue(_ surface: Surface) throws {
    #expect(try Surfaces.named(surface.name).title == surface.title)
    #expect(surface.domain.contains(surface.start))
    #expect(!surface.source.isEmpty)
    let names = Set(Rules.all.map { $0.name })
    #expect(names.isSuperset(of: surface.learningRates.keys))
  }

  @Test("every rule comes lower with the surface's rates", arguments: Surfaces.all)
  func descents(_ surface: Surface) throws {
    for type in Rules.all {
      let walk = try Walk(surface.rule(type), on: surface, steps: 100)
      let inside = walk.points.prefix(walk.firstStep() ?? walk.points.count)
      let (start, end) = (try #require(inside.first), try #require(inside.last))
      #expect(surface.value(at: end) < surface.value(at: start), "\(type.name)")
      #expect(walk.divergedStep == nil || surface.minima.isEmpty, "\(type.name)")
    }
  }

  @Test("the condition number is the ratio of the ravine's curvatures")
  func ravine() {
    let ravine = Surfaces.ravine(condition: 50)
    #expect(ravine.gradient(0, 1).y == 50 * ravine.gradient(1, 0).x)
    #expect(ravine.title == "Ravine: ½(x² + 50y²)")
    #expect(Surfaces.ravine(condition: 2.5).title == "Ravine: ½(x² + 2.5y²)")
  }
}
