import Descent
import Foundation
import OpenCLHost

/// What the optimizer and its twin do: plain steps, then steps that clip, follow a loss scale, keep
/// an average, sum up gradients and skip one that is not finite.
enum Scenario {
  static let sizes = [20_000, 33, 700]
  /// The steps between which states are read and saved.
  static let phases = [1...2, 3...6]
  static let rule = AdamW(learningRate: 0.01, weightDecay: 0.1)

  static func layout() throws -> ParameterLayout {
    var layout = ParameterLayout()
    for (index, size) in sizes.enumerated() {
      try layout.append("t\(index)", shape: [size], group: index == 1 ? "b" : "a")
    }
    return layout
  }

  static func configure(_ optimizer: Optimizer, before step: Int) throws {
    guard step == phases[1].lowerBound, optimizer.clipping == nil else { return }
    optimizer.clipping = .globalNorm(0.5)
    optimizer.averaging = ParameterAverage(decay: 0.9)
    try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 2))
  }

  static func start(_ count: Int) -> [Float] { values(count, stream: 0) }

  static func gradients(_ count: Int, _ step: Int) -> [Float] {
    var gradients = values(count, stream: UInt64(step))
    if step == 4 { gradients[count / 2] = .infinity }
    return gradients
  }

  /// The gradient that is summed up before a step, if there is one.
  static func earlier(_ count: Int, _ step: Int) -> [Float]? {
    step == 5 ? gradients(count, 100) : nil
  }

  /// Magnitudes over 20 binades, the same in every run: SplitMix64 over a counter (Steele, Lea &
  /// Flood 2014).
  private static func values(_ count: Int, stream: UInt64) -> [Float] {
    (0..<count).map { index in
      var z = (stream << 40 | UInt64(index)) &* 0x9e37_79b9_7f4a_7c15
      z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
      z ^= z >> 31
      let (sign, exponent) = (UInt32(z >> 63) << 31, UInt32(z >> 32 & 0xff) % 20 + 117)
      return Float(bitPattern: sign | exponent << 23 | UInt32(truncatingIfNeeded: z) & 0x7f_ffff)
    }
  }
}

/// The state of a run after some steps.
struct Snapshot: Equatable {
  var parameters: [Float]
  var states: [String: [Float]]
  var steps: Int
  var skipped: Int
  var lossScale: LossScale?

  init(_ optimizer: Optimizer, parameters: [Float]) throws {
    self.parameters = parameters
    states = try optimizer.states()
    (steps, skipped) = try (optimizer.stepCount, optimizer.skippedStepCount)
    lossScale = try optimizer.lossScale
  }

  /// One before the first step of the scenario and one after every step; each is also saved to
  /// `folder`.
  static func history(in folder: URL) throws -> [Snapshot] {
    let layout = try Scenario.layout()
    let twin = try Optimizer(Scenario.rule, layout: layout, on: .cpu(threads: 1))
    var x = Scenario.start(layout.count)
    var history = [try Snapshot(twin, parameters: x)]
    try twin.save(to: file(0, in: folder), parameters: x)
    for step in 1...Scenario.phases[1].upperBound {
      try Scenario.configure(twin, before: step)
      if let earlier = Scenario.earlier(layout.count, step) { try twin.accumulate(earlier) }
      try twin.step(&x, gradients: Scenario.gradients(layout.count, step))
      history.append(try Snapshot(twin, parameters: x))
      try twin.save(to: file(step, in: folder), parameters: x)
    }
    return history
  }

  static func file(_ step: Int, in folder: URL) -> String {
    folder.appending(path: "\(step).safetensors").path
  }
}
