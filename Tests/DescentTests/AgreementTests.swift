import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Every engine computes the reference's bits, and writes nothing outside its vectors.
@Suite struct AgreementTests {
  static let variants = Rules.all.flatMap { $0.variants }

  /// Counts around the edges of lanes and groups, and one that fills many. Fewer in debug builds, in
  /// which the reference takes a hundred times as long.
  #if DEBUG
  static let edges = [0, 1, 17, 65, 1025].map { Agreement.Vectors(count: $0) }
  static let prime = Agreement.Vectors(count: 5_003)
  #else
  static let edges = Agreement.counts.filter { $0 < 2000 }.map { Agreement.Vectors(count: $0) }
  static let prime = Agreement.Vectors(count: 100_003)
  #endif

  /// Those that step over the caller's vectors, without an optimizer.
  static let stateless = variants.filter { !$0.rule.needsOptimizer }
  /// One setting for each compiled rule.
  static let compiled = Dictionary(grouping: variants) { $0.rule.kernel }
    .sorted { $0.key < $1.key }.compactMap { $0.value.first }

  @Test("every compiled rule is reached by a variant")
  func coverage() {
    let kernels = Self.variants.flatMap { $0.rule.passes.filter { !$0.isIteration }.map(\.kernel) }
    #expect(Set(kernels) == Set(CompiledRule.all.map { $0.name }))
  }

  @Test("compiled rules, at every instruction set and offset", arguments: variants)
  func instructionSets(_ variant: RuleVariant) throws {
    for vectors in Self.edges {
      let expected = try Agreement(variant: variant, vectors: vectors).outcome(on: .reference)
      for instructions in InstructionSet.available {
        for offset in [0, 1, 7] {
          let outcome = try Agreement(variant: variant, vectors: vectors, offset: offset)
            .outcome(on: .cpu(instructions: instructions))
          #expect(
            outcome.difference(from: expected) == Difference(),
            "\(variant), \(instructions), \(vectors.count) elements at \(offset)")
        }
      }
      let whole = Agreement(variant: variant, vectors: vectors)
      let cut = try whole.cut.outcome(on: .cpu)
      #expect(
        cut.difference(from: try whole.expectedCut(expected)) == Difference(),
        "\(variant), many tensors, \(vectors.count) elements")
      for threads in [2, 5] {
        let outcome = try Agreement(variant: variant, vectors: vectors, offset: 1)
          .outcome(on: .cpu(threads: threads, instructions: nil, block: 16))
        #expect(
          outcome.difference(from: expected) == Difference(),
          "\(variant), \(threads) threads, \(vectors.count) elements")
      }
    }
  }

  @Test("a prime number of elements, at 1, 2 and 5 threads", arguments: variants)
  func many(_ variant: RuleVariant) throws {
    let agreement = Agreement(variant: variant, vectors: Self.prime, offset: 3)
    let expected = try agreement.outcome(on: .reference)
    for instructions in InstructionSet.available {
      for threads in [1, 2, 5] {
        let choice = EngineChoice.cpu(threads: threads, instructions: instructions, block: 1000)
        let outcome = try agreement.outcome(on: choice)
        #expect(
          outcome.difference(from: expected) == Difference(),
          "\(variant), \(instructions), \(threads) threads")
      }
    }
  }

  #if OpenCL
  @Test("OpenCL at 4 and 16 lanes", .needsDevice, arguments: variants)
  func lanes(_ variant: RuleVariant) throws {
    try compare(variant, [4, 16], Self.edges + [Self.prime])
  }

  /// Each rule at one of them: a driver takes most of the time, to build.
  @Test("OpenCL at 1 or 8 lanes", .needsDevice, arguments: compiled.indices)
  func otherLanes(_ index: Int) throws {
    try compare(Self.compiled[index], [index.isMultiple(of: 2) ? 1 : 8], Self.edges)
  }

  /// The requirements of `descent verify` for such devices.
  @Test(
    "devices that do not promise the same bits stay within a distance, and write nothing else",
    .enabled(
      if: TestDevices.working.contains { !$0.sameBits.isYes },
      "every OpenCL device promises the same bits"), arguments: variants)
  func otherDevices(_ variant: RuleVariant) throws {
    for vectors in Self.edges + [Self.prime] {
      for agreement in [
        Agreement(variant: variant, vectors: vectors, offset: 3),
        Agreement(variant: variant, vectors: vectors, isCut: true),
      ] {
        let expected = try agreement.outcome(on: .reference)
        for device in TestDevices.working where !device.sameBits.isYes {
          let outcome = try agreement.outcome(on: .openCL(device))
          #expect(
            agreement.pathUlps(outcome, expected) <= Double(2 * vectors.gradients.count + 8),
            "\(variant), \(device), \(vectors.count) elements")
        }
      }
    }
  }

  /// The small groups bring the counts around the edges of groups within reach.
  private func compare(
    _ variant: RuleVariant, _ lanes: [Int], _ all: [Agreement.Vectors]
  ) throws {
    for vectors in all {
      let whole = Agreement(variant: variant, vectors: vectors)
      let expected = try whole.outcome(on: .reference)
      let expectedCut = try whole.expectedCut(expected)
      for queue in try TestDevices.queues.get() {
        for lanes in lanes {
          for (offset, isCut) in [(0, false), (3, false), (3, true)] {
            let outcome = try Agreement(
              variant: variant, vectors: vectors, offset: offset, isCut: isCut
            ).outcome(
              on: .openCL(
                queue, shape: LaunchShape(lanes: lanes, groupSize: 16, on: queue.device)))
            #expect(
              outcome.difference(from: isCut ? expectedCut : expected) == Difference(),
              """
              \(variant), \(queue.device), \(lanes) lanes, \(vectors.count) elements at \(offset), \
              many tensors: \(isCut)
              """)
          }
        }
      }
    }
  }

  @Test("OpenCL over host memory", .needsDevice, arguments: compiled)
  func hostMemory(_ variant: RuleVariant) throws {
    let agreement = Agreement(
      variant: variant, vectors: Agreement.Vectors(count: 1025), offset: 1)
    let expected = try agreement.outcome(on: .reference)
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        variant.rule, layout: ParameterLayout(count: 1025, for: variant.rule), on: .openCL(queue))
      let outcome = try agreement.onHost(optimizer)
      #expect(outcome.difference(from: expected) == Difference(), "\(variant), \(queue.device)")
    }
  }
  #endif

  @Test(
    "on devices that round otherwise, a distance in ulp of the path counts errors and skips NaN",
    arguments: [1, 25])
  func pathUlps(steps: Int) throws {
    let vectors = Agreement.Vectors(count: 64, steps: steps)
    let variant = try #require(Self.variants.first { $0.name == "adam" })
    let agreement = Agreement(variant: variant, vectors: vectors)
    let expected = try agreement.outcome(on: .reference)
    #expect(agreement.pathUlps(expected, expected) == 0)
    // Parameters and two states, after the first step and after the last.
    let last = steps == 1 ? 0 : 3
    func ulps(_ change: (Float) -> Float) -> Double {
      var other = expected
      other.vectors[last] = other.vectors[last].map(change)
      return agreement.pathUlps(other, expected)
    }
    #expect(ulps { $0.nextUp } > 0)
    #expect(ulps { $0.nextUp } <= 2)
    #expect(ulps { $0 + 1000 } > 1000)
    #expect(ulps { _ in .nan } == .infinity)
    var trespassing = expected
    trespassing.trespasses = 1
    #expect(agreement.pathUlps(trespassing, expected) == .infinity)
  }

  @Test("a difference counts what differs, and NaN only against numbers")
  func difference() {
    func apart(_ a: Float, _ b: Float) -> (Int, Double) {
      let difference = Difference([0, a], [0, b])
      return (difference.bitsApart, difference.worstUlp)
    }
    #expect(apart(1, 1) == (0, 0))
    #expect(apart(.nan, -.nan) == (0, 0))
    #expect(apart(.nan, 1) == (1, .infinity) && apart(1, .nan) == (1, .infinity))
    #expect(apart(1, Float(1).nextUp) == (1, 1) && apart(0, -0.0) == (1, 1))
    #expect(Difference([1], [1, 2]).bitsApart == 2)
  }

  @Test("pinned digests", arguments: variants)
  func digest(_ variant: RuleVariant) throws {
    let vectors = Agreement.Vectors(count: Agreement.pinnedCount)
    let digest = try Agreement(variant: variant, vectors: vectors).outcome(on: .cpu).digest
    #expect(digest.value == variant.digest, "\(variant) is 0x\(digest)")
  }
}
