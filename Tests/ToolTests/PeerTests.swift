import Descent
import Foundation
import Testing

@testable import descent_tool

#if OpenCL
import OpenCLHost
#endif

/// The requests of Benchmarks/peers to `descent peer`.
@Suite struct PeerTests {
  static let devices =
    ["cpu", "reference"]
    + (SelectedEngine.all.map { $0.name }.contains("opencl:0")
      ? ["opencl:0"] : [])

  @Test("steps are those of an optimizer over the same numbers", arguments: devices)
  func steps(device: String) throws {
    var session = PeerSession()
    let created = session.answer(
      """
      {"request": "create", "id": "a", "rule": "momentum", "device": "\(device)",
       "hyperparameters": {"learningRate": 0.1, "nesterov": true}, "shapes": [[3, 40], [], [7]]}
      """)
    #expect(created.error == nil)
    #expect(created.count == 128)
    let times = session.answer(#"{"request": "run", "id": "a", "lead": 2, "steps": 3}"#)
    #expect(try #require(times.seconds) > 0)
    #expect(times.deviceSeconds == nil)

    let rule = Momentum(learningRate: 0.1, nesterov: true)
    let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 128), on: .reference)
    var parameters = (0..<128).map(PeerInputs.parameter)
    let gradients = (0..<128).map(PeerInputs.gradient)
    for _ in 1...5 { try optimizer.step(&parameters, gradients: gradients) }
    let sample = session.answer(#"{"request": "sample", "id": "a", "stride": 50}"#)
    #expect(sample.values == [parameters[0], parameters[50], parameters[100]])
    #expect(sample.sumOfMagnitudes == parameters.reduce(0) { $0 + Double($1.magnitude) })

    #expect(session.answer(#"{"request": "drop", "id": "a"}"#).error == nil)
    #expect(
      session.answer(#"{"request": "drop", "id": "a"}"#).error
        == "there is no case \"a\"; there are none")
  }

  /// Benchmarks/peers/inputs.py makes the same.
  @Test("inputs have magnitudes from 1/16 to 1, of either sign")
  func inputs() {
    let values = (0..<10_000).flatMap { [PeerInputs.parameter($0), PeerInputs.gradient($0)] }
    #expect(values.allSatisfy { (0.0625..<1).contains($0.magnitude) })
    #expect(Set(values).count > 19_900)
    #expect(abs(values.reduce(0, +)) < 200)
    #expect(
      [PeerInputs.parameter(0), PeerInputs.gradient(0), PeerInputs.parameter(1 << 40)].map {
        $0.bitPattern
      } == [0xbe1e_3779, 0x3ebc_6ef3, 0x3e33_2fa3])
  }

  @Test(
    "what cannot be is refused in words",
    arguments: [
      (#"{"request": "go", "id": "a"}"#, "there is no request \"go\"; there are create, run"),
      (#"{"request": "run", "id": "b", "steps": 1}"#, "there is no case \"b\"; there are none"),
      (#"{"request": "run", "id": "a", "steps": 0}"#, "steps is 0; allowed is 1 or more"),
      (
        #"{"request": "run", "id": "a", "lead": -1, "steps": 1}"#,
        "lead is -1; allowed is 0 or more"
      ),
      (#"{"request": "sample", "id": "a", "stride": 0}"#, "stride is 0; allowed is 1 or more"),
      (
        #"{"request": "create", "id": "a", "rule": "adamm", "device": "cpu", "shapes": [[1]]}"#,
        "there is no rule \"adamm\"; there is sgd"
      ),
      (
        #"{"request": "create", "id": "a", "rule": "adam", "device": "all", "shapes": [[1]]}"#,
        "the number of devices is "
      ),
      (
        """
        {"request": "create", "id": "a", "rule": "adam", "device": "cpu", "shapes": [[1]],
         "deviceTimes": true}
        """, "deviceTimes needs an OpenCL device, not cpu"
      ),
    ])
  func refusals(request: String, complaint: String) {
    var session = PeerSession()
    #expect(session.answer(request).error?.hasPrefix(complaint) == true)
  }

  @Test("an id is given out once")
  func taken() {
    var session = PeerSession()
    let request =
      #"{"request": "create", "id": "a", "rule": "sgd", "device": "cpu", "shapes": [[2]]}"#
    #expect(session.answer(request).error == nil)
    #expect(session.answer(request).error == "there is a case \"a\" already; drop it first")
  }

  #if OpenCL
  @Test("an OpenCL device tells its own times", .enabled(if: !Device.all.isEmpty))
  func deviceTimes() throws {
    var session = PeerSession()
    let created = session.answer(
      """
      {"request": "create", "id": "a", "rule": "adam", "device": "opencl:0", "shapes": [[1000]],
       "deviceTimes": true}
      """)
    #expect(created.error == nil)
    let times = session.answer(#"{"request": "run", "id": "a", "steps": 4}"#)
    #expect(try #require(times.deviceSeconds) > 0)
  }
  #endif
}
