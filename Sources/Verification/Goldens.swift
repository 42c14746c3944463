import Descent
import Foundation

/// Trajectories of other libraries: a folder of files as `Tests/DescentTests/Goldens/README.md`
/// describes them.
package struct Goldens {
  /// Those whose rule the package has, in the order of the files' names.
  package private(set) var cases: [GoldenCase] = []
  /// Cases of other rules, counted by rule, and those that show an error of a library, by rule and
  /// error.
  package private(set) var skipped: [String: Int] = [:]
  private var inputs: [String: GoldenInputs.Set] = [:]
  private var problems: [String: GoldenProblem] = [:]

  /// - Throws: ``GoldensError`` for a folder without trajectories or a file that cannot be read.
  package init(folder: String) throws {
    let folder = URL(filePath: folder, directoryHint: .isDirectory)
    inputs = try Self.decode(GoldenInputs.self, folder, "inputs.json").inputs.reduce(into: [:]) {
      $0[$1.name] = $1
    }
    let known = Set(Rules.all.map { $0.name })
    var files: [String] = []
    do {
      files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    } catch {
      throw GoldensError(file: folder.path, reason: "\(error.localizedDescription)")
    }
    for file in files where file.hasSuffix(".json") && file != "inputs.json" {
      let content = try Self.decode(GoldenFile.self, folder, file)
      for problem in content.problems ?? [] { problems[problem.name] = problem }
      for item in content.cases ?? [] {
        if !known.contains(item.optimizer) {
          skipped[item.optimizer, default: 0] += 1
        } else if let error = item.libraryError {
          skipped["\(item.optimizer) with \(error)", default: 0] += 1
        } else {
          cases.append(item)
        }
      }
    }
    if cases.isEmpty {
      throw GoldensError(file: folder.path, reason: "no trajectory of a rule of this package")
    }
  }

  private static func decode<Content: Decodable>(
    _ type: Content.Type, _ folder: URL, _ file: String
  ) throws -> Content {
    let url = folder.appending(path: file)
    do {
      return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    } catch let error as DecodingError {
      throw GoldensError(file: url.path, reason: "\(error)")
    } catch {
      throw GoldensError(file: url.path, reason: error.localizedDescription)
    }
  }

  /// The shape of the tensor that a case steps over.
  package func shape(of item: GoldenCase) throws -> [Int] {
    if let set = inputs[item.inputs] { return set.shape }
    return try [problem(of: item).start.count]
  }

  /// Where a case starts, and its gradient at step `step` (from 1) and parameters `x`.
  package func problem(of item: GoldenCase) throws -> (
    start: [Double], gradient: (_ step: Int, _ x: [Double]) -> [Double]
  ) {
    if item.problem.isEmpty {
      guard let set = inputs[item.inputs], set.gradients.count >= item.steps else {
        throw GoldensError(file: item.id, reason: "no inputs \"\(item.inputs)\" of its length")
      }
      let (start, gradients) = (try numbers(set.initial), try set.gradients.map(numbers))
      guard gradients.allSatisfy({ $0.count == start.count }) else {
        throw GoldensError(file: item.id, reason: "gradients of another length than the parameters")
      }
      return (start, { step, _ in gradients[step - 1] })
    }
    guard let problem = problems[item.problem] else {
      throw GoldensError(file: item.id, reason: "there is no problem \"\(item.problem)\"")
    }
    let gradient = try problem.gradient()
    return (try numbers(problem.initial), { _, x in gradient(x) })
  }
}

package struct GoldensError: Error, CustomStringConvertible {
  package let file: String
  package let reason: String
  package var description: String { "\(file): \(reason)" }
}

/// One trajectory of another library, as its file has it.
package struct GoldenCase: Decodable, Sendable {
  package var id: String
  package var optimizer: String
  package var hyper: [String: Double]
  package var flags: [String]
  package var modes: [String: String]
  package var inputs: String
  package var problem: String
  package var steps: Int
  package var checkpoints: [Int]
  package var learningRates: [Double]
  package var truthError: Double
  package var float32Only: Bool
  package var float64Parameters: [String]
  package var float64States: [String: [String]]
  package var scalars: [String: [String]]
  package var float32Parameters: [String]
  package var peakMagnitudes: String
  package var float32PeakULPs: [Double]

  /// Errors of one version of a library, by the flag or mode that names them. No rule repeats them.
  private static let libraryErrors: Set = ["laggedByOne", "oneMinusBeta2"]

  /// The error that this case shows, if it shows one.
  var libraryError: String? {
    (flags + modes.values).first { Self.libraryErrors.contains($0) }
  }

  /// What each mode of the files sets.
  private static let settingsOfModes: [String: [String: Value]] = [
    "schedule dozat": [:], "schedule simple": ["simpleSchedule": .flag(true)],
    "weighting maximumLearningRatePower": [:],
    "weighting uniform": ["stepPower": .number(0), "learningRatePower": .number(0)],
    "diffCoefficient beta2": [:],
    "variant torch": ["limitedRate": .flag(true)],
    "variant keras": ["limitedRate": .flag(true), "epsilonAdded": .flag(true)],
    "variant optax": ["epsilonAdded": .flag(true)],
    "learningRateAdjustment none": ["adjustsRate": .flag(false)],
    "learningRateAdjustment original": ["adjustsRate": .flag(true)],
    "learningRateAdjustment widthRatioOverHeight": [
      "adjustsRate": .flag(true), "inputsFirst": .flag(true),
    ],
    "learningRateAdjustment matchAdamWRMS": [
      "adjustsRate": .flag(true), "rmsRate": .number(0.2),
    ],
    "newtonSchulzType native": [:],
    // Computed in Float all the same: the trajectories' own bound is 2e-2.
    "newtonSchulzType bfloat16": [:],
  ]

  /// The case's rule with its hyper-parameters. What the case leaves out is 0 or off, as its files
  /// define it, and what the rule does not have throws.
  package func rule() throws -> any UpdateRule {
    try rule(of: Rules.named(optimizer))
  }

  private func rule<Rule: UpdateRule>(of type: Rule.Type) throws -> Rule {
    var values: [String: Value] = [:]
    for parameter in Rule.hyperparameters {
      switch parameter.kind {
      case .number: values[parameter.name] = .number(0)
      case .flag:
        // One that is set for good cannot be off, and the files do not name it.
        var off = Rule()
        if (try? off.setHyperparameter(parameter.name, to: 0)) != nil {
          values[parameter.name] = .flag(false)
        }
      case .optional: break
      }
    }
    for (name, value) in hyper { values[name] = .number(value) }
    for (name, value) in modes {
      guard let settings = Self.settingsOfModes["\(name) \(value)"] else {
        throw GoldensError(file: id, reason: "nothing is known of the \(name) \"\(value)\"")
      }
      values.merge(settings) { $1 }
    }
    for name in flags { values[name] = .flag(true) }
    return try JSONDecoder().decode(Rule.self, from: JSONEncoder().encode(values))
  }

  private enum Value: Encodable {
    case number(Double)
    case flag(Bool)

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .number(let value): try container.encode(value)
      case .flag(let value): try container.encode(value)
      }
    }
  }

  /// η of step `step`, from 1.
  package func learningRate(_ step: Int) -> Double {
    learningRates.isEmpty ? hyper["learningRate"] ?? 0 : learningRates[step - 1]
  }
}

private struct GoldenFile: Decodable {
  var cases: [GoldenCase]?
  var problems: [GoldenProblem]?
}

struct GoldenInputs: Decodable {
  struct Set: Decodable {
    var name: String
    var shape: [Int]
    var initial: String
    var gradients: [String]
  }
  var inputs: [Set]
}

/// A problem whose gradient a closed loop takes at its own parameters.
struct GoldenProblem: Decodable {
  var name: String
  var kind: String
  var initial: String
  var rows: Int
  var matrix: String
  var b: String
  var curvature: String
  var l2: Double

  private enum CodingKeys: String, CodingKey {
    case name, kind, initial, rows, b, curvature, l2
    case matrix = "A"
  }

  /// The gradient as a function.
  func gradient() throws -> ([Double]) -> [Double] {
    let (matrix, target, size) = (try numbers(matrix), try numbers(b), try numbers(initial).count)
    let (rows, l2, curvature) = (rows, l2, try numbers(curvature))
    func require(_ isWhole: Bool) throws {
      if !isWhole { throw GoldensError(file: name, reason: "its vectors' lengths do not agree") }
    }
    switch kind {
    case "least_squares":
      try require(matrix.count == rows * size && target.count == rows)
      return { p in
        Self.transposed(matrix, p.count) { row, dot in (dot - target[row]) / Double(rows) }(p)
      }
    case "logistic":
      try require(matrix.count == rows * size && target.count == rows)
      return { p in
        let data = Self.transposed(matrix, p.count) { row, dot in
          -target[row] / (1 + exp(target[row] * dot)) / Double(rows)
        }(p)
        return zip(data, p).map { $0 + l2 * $1 }
      }
    case "rosenbrock":
      return { p in
        var g = [Double](repeating: 0, count: p.count)
        for i in 0..<p.count - 1 {
          let rise = p[i + 1] - p[i] * p[i]
          g[i] += -2 * (1 - p[i]) - 400 * p[i] * rise
          g[i + 1] += 200 * rise
        }
        return g
      }
    case "saddle":
      try require(size == 2)
      return { p in [2 * p[0], -2 * p[1]] }
    case "ravine":
      try require(curvature.count == size)
      return { p in zip(curvature, p).map { $0 * $1 } }
    default:
      throw GoldensError(file: name, reason: "a problem of an unknown kind, \"\(kind)\"")
    }
  }

  /// p ↦ Aᵀ w(Ap), with w by row and product.
  private static func transposed(
    _ matrix: [Double], _ columns: Int, _ weight: @escaping (Int, Double) -> Double
  ) -> ([Double]) -> [Double] {
    { p in
      var result = [Double](repeating: 0, count: columns)
      for row in 0..<matrix.count / columns {
        let values = matrix[row * columns..<(row + 1) * columns]
        let w = weight(row, zip(values, p).reduce(0) { $0 + $1.0 * $1.1 })
        for (column, value) in values.enumerated() { result[column] += value * w }
      }
      return result
    }
  }
}

/// A vector as the files write it: hexadecimal floats between spaces.
package func numbers(_ text: String) throws -> [Double] {
  try text.split(separator: " ").map { word in
    guard let value = Double(word) else {
      throw GoldensError(file: "a trajectory", reason: "\"\(word)\" is no number")
    }
    return value
  }
}
