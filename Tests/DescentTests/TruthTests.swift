import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// The trajectories in the tests' folder, by the names of their cases.
enum Trajectories {
  static let goldens = Result { try Goldens(folder: goldensFolder) }
  static let finite = names { !$0.float32Only }
  static let special = names { $0.float32Only }

  private static func names(_ isIncluded: (GoldenCase) -> Bool) -> [String] {
    ((try? goldens.get().cases) ?? []).filter(isIncluded).map { $0.id }
  }
}

/// What PyTorch, Optax and Keras computed.
@Suite struct TruthTests {
  private func replay(_ id: String) throws -> Replay {
    let goldens = try Trajectories.goldens.get()
    return try Replay(#require(goldens.cases.first { $0.id == id }), of: goldens)
  }

  @Test("every trajectory of these rules is there, and can be expressed")
  func complete() throws {
    #expect(Trajectories.finite.count == 141 + 89 && Trajectories.special.count == 7)
    for id in Trajectories.finite + Trajectories.special { _ = try replay(id) }
  }

  @Test("the reference in Double is the library's Float64", arguments: Trajectories.finite)
  func truth(_ id: String) throws {
    let replay = try replay(id)
    let error = try replay.truthError()
    #expect(error <= replay.truthBound)
  }

  @Test("engines in Float stay within 2t + 8 ulp of the path", arguments: Trajectories.finite)
  func float(_ id: String) throws {
    let replay = try replay(id)
    for choice in try TestEngines.each() {
      let path = try replay.inFloat(on: choice)
      guard replay.hasFloatBounds else {
        #expect(path.checkpoints.joined().allSatisfy { $0.isFinite })
        continue
      }
      for error in try replay.pathErrors(path) {
        #expect(error.isWithinBound, "step \(error.step): \(error.ulps) ulp")
      }
      // A closed loop feeds each rounding back into its gradients, so its states are looked at in
      // Double alone.
      if replay.item.problem.isEmpty {
        #expect(try replay.stateError(path.finalStates) <= replay.stateBound)
      }
    }
  }

  @Test("∞ and NaN appear where the library has them", arguments: Trajectories.special)
  func special(_ id: String) throws {
    let replay = try replay(id)
    for choice in try TestEngines.each() {
      #expect(try replay.patternMismatches(replay.inFloat(on: choice)) == 0)
    }
  }

  @Test("a trajectory that is spoiled does not pass")
  func spoiled() throws {
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == "adam/torch/default/mixed37" })
    func error(_ change: (inout GoldenCase) -> Void) throws -> Double {
      var item = item
      change(&item)
      return try Replay(item, of: goldens).truthError()
    }
    #expect(try error { _ in } < 1e-11)
    #expect(throws: GoldensError.self) {
      try error { $0.float64Parameters[1] = "garbage" }
    }
    #expect(throws: GoldensError.self) {
      try error { $0.float64Parameters.removeLast() }
    }
    let nan = Array(repeating: "nan", count: 37).joined(separator: " ")
    #expect(try error { $0.float64Parameters[1] = nan } == .infinity)
    #expect(try error { $0.float64States["v"]?[3] = nan } == .infinity)
    #expect(try error { $0.hyper["beta2"] = 0.9991 } > 1e-9)
  }
}
