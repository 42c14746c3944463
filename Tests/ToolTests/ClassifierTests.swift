import Foundation
import Testing

@testable import Training

/// The network once more: in Double, one sum after another, with nothing shared with the original.
private func twinLoss(
  _ p: [Double], features: Int, hidden: Int, classes: Int, dataset: Dataset, rows: [Int]
) -> Double {
  let hiddenBias = hidden * features
  let outputWeight = hiddenBias + hidden
  let outputBias = outputWeight + classes * hidden
  var total = 0.0
  for row in rows {
    let units = (0..<hidden).map { h in
      max(
        0,
        (0..<features).reduce(p[hiddenBias + h]) {
          $0 + p[h * features + $1] * Double(dataset.features[row * features + $1])
        })
    }
    let scores = (0..<classes).map { c in
      (0..<hidden).reduce(p[outputBias + c]) { $0 + p[outputWeight + c * hidden + $1] * units[$1] }
    }
    total += log(scores.reduce(0) { $0 + exp($1) }) - scores[dataset.labels[row]]
  }
  return total / Double(rows.count)
}

@Suite struct ClassifierTests {
  private func dataset(_ count: Int, features: Int, classes: Int) throws -> Dataset {
    var generator = SplitMix64(seed: 7)
    let lines = (0..<count).map { row in
      (0..<features).map { _ in "\(generator.normal())," }.joined() + "\(row % classes)\n"
    }
    return try Dataset(bytes: lines.joined().utf8, file: "test")
  }

  struct Shape: Sendable {
    var features, hidden, classes, batch: Int
  }

  @Test(arguments: [
    Shape(features: 1, hidden: 1, classes: 2, batch: 1),
    Shape(features: 3, hidden: 1, classes: 3, batch: 3),
    Shape(features: 5, hidden: 33, classes: 2, batch: 7),
    Shape(features: 33, hidden: 3, classes: 10, batch: 33),
    Shape(features: 17, hidden: 8, classes: 4, batch: 2),
  ])
  func lossAndGradientAgreeWithCentralDifferences(_ shape: Shape) throws {
    let dataset = try dataset(40, features: shape.features, classes: shape.classes)
    var classifier = Classifier(
      featureCount: shape.features, hiddenCount: shape.hidden, classCount: shape.classes)
    let parameters = classifier.initialParameters(seed: 3).map { $0 + 0.05 }
    // What stood there before must not matter.
    var gradient = [Float](repeating: .nan, count: classifier.parameterCount)
    let rows = (0..<shape.batch).map { ($0 * 7 + 2) % 40 }
    let loss = classifier.lossAndGradient(
      parameters: parameters, of: dataset, rows: rows[...], gradient: &gradient)

    func twin(_ parameters: [Double]) -> Double {
      twinLoss(
        parameters, features: shape.features, hidden: shape.hidden, classes: shape.classes,
        dataset: dataset, rows: rows)
    }
    let exact = parameters.map(Double.init)
    #expect(abs(Double(loss) - twin(exact)) < 1e-5)
    for index in parameters.indices {
      var (above, below) = (exact, exact)
      above[index] += 1e-6
      below[index] -= 1e-6
      let slope = (twin(above) - twin(below)) / 2e-6
      #expect(abs(Double(gradient[index]) - slope) < 1e-5, "parameter \(index)")
    }
  }

  @Test func tensorsLieOneAfterAnother() {
    let classifier = Classifier(featureCount: 4, hiddenCount: 3, classCount: 2)
    #expect(
      classifier.tensors.map { "\($0.name) \($0.shape)" } == [
        "hidden.weight [3, 4]", "hidden.bias [3]", "output.weight [2, 3]", "output.bias [2]",
      ])
    #expect(classifier.parameterCount == 23)
  }

  @Test func initialWeightsHaveTheirVarianceAndBiasesAreZero() {
    let classifier = Classifier(featureCount: 100, hiddenCount: 50, classCount: 10)
    let parameters = classifier.initialParameters(seed: 1)
    #expect(parameters.count == classifier.parameterCount)
    func variance(_ part: ArraySlice<Float>) -> Float {
      part.reduce(0) { $0 + $1 * $1 } / Float(part.count)
    }
    #expect(abs(variance(parameters[..<5000]) / 0.02 - 1) < 0.1)
    #expect(parameters[5000..<5050].allSatisfy { $0 == 0 })
    #expect(abs(variance(parameters[5050..<5550]) / 0.04 - 1) < 0.3)
    #expect(parameters[5550...].allSatisfy { $0 == 0 })
    #expect(parameters == classifier.initialParameters(seed: 1))
    #expect(parameters != classifier.initialParameters(seed: 2))
  }

  @Test func batchesOfAnySizeGiveTheSameBitsEachTime() throws {
    let dataset = try dataset(40, features: 9, classes: 3)
    func run() -> [Float] {
      var classifier = Classifier(featureCount: 9, hiddenCount: 5, classCount: 3)
      var parameters = classifier.initialParameters(seed: 1)
      var gradient = parameters
      let order = Array(0..<40)
      for start in stride(from: 0, to: 40, by: 33) {
        let rows = order[start..<min(start + 33, 40)]
        _ = classifier.lossAndGradient(
          parameters: parameters, of: dataset, rows: rows, gradient: &gradient)
        for index in parameters.indices { parameters[index] -= 0.1 * gradient[index] }
      }
      return parameters
    }
    #expect(run() == run())
  }

  @Test func evaluationCountsWhatIsRight() throws {
    // One unit that passes the feature on, and a score of x for one class, of 1 for the other.
    let dataset = try Dataset(bytes: "0,a\n2,b\n3,a\n5,b\n".utf8, file: "test")
    var classifier = Classifier(featureCount: 1, hiddenCount: 1, classCount: 2)
    let parameters: [Float] = [1, 0, 0, 1, 1, 0]
    let result = classifier.evaluate(parameters: parameters, on: dataset)
    #expect(result.accuracy == 0.75)
    let twin = twinLoss(
      parameters.map(Double.init), features: 1, hidden: 1, classes: 2, dataset: dataset,
      rows: [0, 1, 2, 3])
    #expect(abs(Double(result.loss) - twin) < 1e-6)
  }

  @Test func aNetworkThatDivergedIsNeverRight() throws {
    let dataset = try dataset(8, features: 2, classes: 2)
    var classifier = Classifier(featureCount: 2, hiddenCount: 3, classCount: 2)
    var parameters = classifier.initialParameters(seed: 1)
    parameters[0] = .nan
    let result = classifier.evaluate(parameters: parameters, on: dataset)
    #expect(result.loss.isNaN)
    #expect(result.accuracy == 0)
  }

  @Test func largeScoresDoNotOverflow() throws {
    let dataset = try Dataset(bytes: "1,a\n1,b\n1,a\n1,b\n".utf8, file: "test")
    var classifier = Classifier(featureCount: 1, hiddenCount: 1, classCount: 2)
    let result = classifier.evaluate(parameters: [1, 0, 500, -500, 0, 0], on: dataset)
    #expect(result.loss == 500)
  }

  @Test func gradientDescentLearns() throws {
    let lines = (0..<60).map { "\($0 % 2 == 0 ? 1.0 : -1.0),\($0 % 3),\($0 % 2)\n" }
    let dataset = try Dataset(bytes: lines.joined().utf8, file: "test")
    var classifier = Classifier(featureCount: 2, hiddenCount: 8, classCount: 2)
    var parameters = classifier.initialParameters(seed: 1)
    var gradient = parameters
    for _ in 0..<100 {
      _ = classifier.lossAndGradient(
        parameters: parameters, of: dataset, rows: Array(0..<60)[...], gradient: &gradient)
      for index in parameters.indices { parameters[index] -= 0.5 * gradient[index] }
    }
    let result = classifier.evaluate(parameters: parameters, on: dataset)
    #expect(result.accuracy == 1)
    #expect(result.loss < 0.05)
  }
}
