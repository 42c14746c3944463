import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// Where our order of operations is another library's, so are the bits.
@Suite struct AnchorTests {
  /// Trajectories whose Float32 run is evaluated in the order of our rule files, without fma.
  static let anchors = [
    "sgd/optax/plain/mixed37",
    "momentum/optax/heavy-ball/mixed37",
    "momentum/optax/nesterov/mixed37",
    "momentum/optax/exponentialAverage/mixed37",
    "momentum/optax/lr-in-buffer/mixed37",
    "momentum/keras/heavy-ball/mixed37",
    "momentum/keras/nesterov/mixed37",
    "adagrad/keras/default/mixed37",
    "rmsprop/keras/default/mixed37",
    "rmsprop/keras/centered-momentum/mixed37",
    "adadelta/optax/default/mixed37",
    "rprop/torch/default/tame37",
    "rprop/torch/tight/tame37",
    "signum/optax/default/tame37",
    "signum/optax/sign-sgd/mixed37",
  ]

  @Test("Float32 trajectories, bit for bit where nothing is denormal", arguments: anchors)
  func bits(_ id: String) throws {
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == id })
    let path = try Replay(item, of: goldens).inFloat(on: .cpu)
    let peaks = try numbers(item.peakMagnitudes)
    #expect(path.checkpoints.count == item.checkpoints.count)
    for (x, text) in zip(path.checkpoints, item.float32Parameters) {
      for ((ours, theirs), peak) in zip(zip(x, try numbers(text)), peaks) where peak >= 0x1p-126 {
        #expect(ours.bitPattern == Float(theirs).bitPattern)
      }
    }
  }
}
