import Testing

@testable import Figures

@Suite struct ScaleTests {
  private func labels(_ scale: Scale) -> [String] { scale.ticks.map(\.label) }

  @Test(
    arguments: [
      ([0, 2.3], 8, true, ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]),
      ([1, 60], 3, false, ["20", "40", "60"]),
      ([0.1, 0.3], 3, false, ["0.1", "0.2", "0.3"]),
      ([-0.02, 0.03], 6, true, ["−0.02", "−0.01", "0.00", "0.01", "0.02", "0.03"]),
      ([0, 250_000], 6, false, ["0", "50000", "100000", "150000", "200000", "250000"]),
      ([0, 2_500_000], 6, false, ["0", "5e5", "1e6", "1.5e6", "2e6", "2.5e6"]),
      ([0, 3e-7], 4, false, ["0", "1e−7", "2e−7", "3e−7"]),
      ([5, 5], 3, true, ["4.5", "5.0", "5.5"]),
      ([.nan, .infinity], 3, true, ["0.0", "0.5", "1.0"]),
    ] as [([Double], Int, Bool, [String])])
  func linearTicks(values: [Double], count: Int, isWidened: Bool, expected: [String]) {
    let scale = Scale(.linear, over: values, tickCount: count, isWidened: isWidened)
    #expect(labels(scale) == expected)
  }

  @Test(
    arguments: [
      ([0.04, 2.3], 8, true, ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5"]),
      ([0.0004, 2.3], 8, true, ["0.001", "0.01", "0.1", "1"]),
      ([1e-9, 1], 6, true, ["1e−8", "1e−6", "0.0001", "0.01", "1"]),
      ([0.03, 2], 8, false, ["0.05", "0.1", "0.2", "0.5", "1", "2"]),
      ([1.1, 1.9], 4, false, ["1.2", "1.4", "1.6", "1.8"]),
      ([3, 3], 8, true, ["2", "5"]),
      ([0, -1, .nan], 8, true, ["0.1", "0.2", "0.5", "1"]),
    ] as [([Double], Int, Bool, [String])])
  func logarithmicTicks(values: [Double], count: Int, isWidened: Bool, expected: [String]) {
    let scale = Scale(.logarithmic, over: values, tickCount: count, isWidened: isWidened)
    #expect(labels(scale) == expected)
  }

  @Test func positionsRunFromZeroToOne() {
    let linear = Scale(.linear, over: [-2, 2], tickCount: 5, isWidened: false)
    #expect([-2, 0, 2, 4].map(linear.position) == [0, 0.5, 1, 1.5])
    #expect([Double.nan, .infinity].map(linear.position) == [nil, nil])
    let logarithmic = Scale(.logarithmic, over: [0.01, 1], tickCount: 5, isWidened: false)
    #expect([0.01, 0.1, 1, 10].map(logarithmic.position) == [0, 0.5, 1, 1.5])
    #expect((logarithmic.position(0) ?? 0) < -100)
    #expect(logarithmic.position(0) == logarithmic.position(-1))
  }

  @Test(arguments: [Scale.Kind.linear, .logarithmic])
  func extremeValuesHaveFewTicksAndFinitePlaces(kind: Scale.Kind) {
    let pairs: [[Double]] = [
      [.leastNonzeroMagnitude, .leastNormalMagnitude], [-1.7e308, 1.7e308], [1e-300, 1e300],
      [1e16, 1e16 + 2], [0, 0],
      [1e-305, 2e-305],
    ]
    for values in pairs {
      let scale = Scale(kind, over: values, tickCount: 5, isWidened: true)
      #expect((1...5).contains(scale.ticks.count), "\(values)")
      #expect(scale.ticks.allSatisfy { $0.label.count <= 16 }, "\(values)")
      #expect(values.allSatisfy { scale.position($0)?.isFinite == true }, "\(values)")
    }
  }
}
