import Descent
import Foundation
import OpenCLHost

/// What a step costs beside the bare one: pairs of steps that differ in one thing, taken by turns
/// in the same minutes, so that what else the machine does meets both. Arguments: how many rounds,
/// and a part of the titles of those that are wanted.
@main struct Costs {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    let rounds = Int(arguments.first ?? "") ?? 15
    let wanted = arguments.dropFirst().first ?? ""
    print("Adam; medians of \(rounds) alternating rounds; × is the median of the rounds' ratios.\n")
    for engine in [Engine.cpu] + Device.all.map(Engine.device) {
      print(engine.name)
      for pair in try pairs() where wanted.isEmpty || pair.title.contains(wanted) {
        let sides = try [pair.bare, pair.other].map { try Side($0, on: engine) }
        let times = try alternate(sides, rounds: rounds)
        let ratio = median(zip(times[1], times[0]).map { $0 / $1 })
        print(
          "  " + pair.title.padding(toLength: 58, withPad: " ", startingAt: 0),
          milliseconds(median(times[0])), milliseconds(median(times[1])),
          String(format: "×%.3f", ratio))
      }
    }
  }

  private static func pairs() throws -> [Pair] {
    let large = try ParameterLayout(count: 1 << 25)
    let small = try tensors(Array(repeating: [1000], count: 2000))
    var pairs = [
      Pair("32 Mi elements: norm, clip, unscale, skip and zero", Setup(large), Setup(large, .all)),
      Pair("32 Mi elements: zero", Setup(large), Setup(large, .zeroing)),
      Pair("32 Mi elements: a gradient summed up before it", Setup(large), Setup(large, .summed)),
      Pair("32 Mi elements: an average of the parameters", Setup(large), Setup(large, .averaged)),
      Pair(
        "2,000 tensors of 1,000: two groups by turns", Setup(small), try Setup(alternating(small))),
      Pair("2,000 tensors of 1,000: norm and clip", Setup(small), Setup(small, .clipping)),
    ]
    for model in ["resnet-50", "gpt2-124m"] {
      let layout = try self.model(model)
      let flat = try ParameterLayout(count: layout.count)
      var arena = try ParameterLayout(alignment: 512)
      for tensor in layout.tensors { try arena.append(tensor.name, shape: tensor.shape) }
      pairs += [
        Pair("\(model): its tensors, against one", Setup(flat), Setup(layout)),
        Pair("\(model): aligned to 512 bytes, against one", Setup(flat), Setup(arena)),
        Pair("\(model): two groups by turns", Setup(layout), try Setup(alternating(layout))),
      ]
    }
    return pairs
  }

  private static func tensors(_ shapes: [[Int]]) throws -> ParameterLayout {
    var layout = ParameterLayout()
    for (index, shape) in shapes.enumerated() { try layout.append("\(index)", shape: shape) }
    return layout
  }

  /// Every other tensor in a group of its own with another rate.
  private static func alternating(_ layout: ParameterLayout) throws -> ParameterLayout {
    var groups = ParameterLayout()
    for (index, tensor) in layout.tensors.enumerated() {
      try groups.append(
        tensor.name, shape: tensor.shape, group: index.isMultiple(of: 2) ? "even" : "odd")
    }
    try groups.setGroup("odd", to: ParameterGroup(learningRateFactor: 0.5))
    return groups
  }

  private struct Model: Decodable {
    struct Tensor: Decodable { let shape: [Int] }
    let tensors: [Tensor]
  }

  private static func model(_ name: String) throws -> ParameterLayout {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
    let file = folder.appending(path: "../../layouts/\(name).json")
    return try tensors(
      JSONDecoder().decode(Model.self, from: Data(contentsOf: file)).tensors.map(\.shape))
  }

  /// Seconds of a step by side and round. Short steps are repeated to make a sample of some
  /// milliseconds.
  private static func alternate(_ sides: [Side], rounds: Int) throws -> [[Double]] {
    let clock = ContinuousClock()
    func time(_ side: Side, _ count: Int) throws -> Double {
      try clock.measure { try side.take(count) } / .seconds(1) / Double(count)
    }
    for side in sides { try side.take(2) }
    let count = max(1, Int(0.02 / (try time(sides[0], 1))))
    var times: [[Double]] = [[], []]
    for round in 0..<rounds {
      for side in round.isMultiple(of: 2) ? [0, 1] : [1, 0] {
        times[side].append(try time(sides[side], count))
      }
    }
    return times
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private static func milliseconds(_ seconds: Double) -> String {
    String(format: "%9.3f ms", seconds * 1e3)
  }
}

enum Engine {
  case cpu
  case device(Device)

  var name: String {
    switch self {
    case .cpu: "CPU engine"
    case .device(let device): device.name
    }
  }
}

struct Pair {
  let title: String
  let bare: Setup
  let other: Setup

  init(_ title: String, _ bare: Setup, _ other: Setup) {
    (self.title, self.bare, self.other) = (title, bare, other)
  }
}

struct Setup {
  enum Extra { case none, zeroing, clipping, summed, averaged, all }

  let layout: ParameterLayout
  let extra: Extra

  init(_ layout: ParameterLayout, _ extra: Extra = .none) {
    (self.layout, self.extra) = (layout, extra)
  }
}
