import DescentKernels
import DescentTestSupport
import Foundation
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A type of Kernels/types.h as Swift imports it.
private struct SharedType: Sendable {
  let name: String
  let size: Int
  let stride: Int
  let members: [(name: String, offset: Int?)]

  init<T>(_ type: T.Type, _ members: KeyValuePairs<String, PartialKeyPath<T>>) {
    name = "\(type)"
    (size, stride) = (MemoryLayout<T>.size, MemoryLayout<T>.stride)
    self.members = members.map { ($0.key, MemoryLayout<T>.offset(of: $0.value)) }
  }

  static let all = [
    SharedType(
      descent_block.self,
      [
        "start": \.start, "states": \.states, "count": \.count, "group": \.group, "set": \.set,
        "unused": \.unused,
      ]),
    SharedType(
      descent_place.self, ["row": \.row, "column": \.column, "tensor": \.tensor]),
    SharedType(
      descent_preparation.self,
      [
        "gradientScale": \.gradientScale, "limit": \.limit, "coupledDecay": \.coupledDecay,
        "decoupledDecay": \.decoupledDecay, "averageWeight": \.averageWeight,
      ]),
    SharedType(
      descent_group.self, ["preparation": \.preparation, "isFrozen": \.isFrozen]),
    SharedType(descent_partial.self, ["sum": \.sum, "peak": \.peak]),
    SharedType(
      descent_clipping.self,
      ["gradientScale": \.gradientScale, "limit": \.limit, "epsilon": \.epsilon]),
    SharedType(
      descent_control.self,
      [
        "applied": \.applied, "before": \.before, "isSkipped": \.isSkipped, "skipped": \.skipped,
        "grown": \.grown, "lossScale": \.lossScale, "inverse": \.inverse, "scale": \.scale,
        "total": \.total,
      ]),
    SharedType(
      descent_decision.self,
      [
        "growthFactor": \.growthFactor, "backoffFactor": \.backoffFactor, "minimum": \.minimum,
        "maximum": \.maximum, "growthInterval": \.growthInterval, "skips": \.skips,
      ]),
    SharedType(
      descent_matrix.self,
      [
        "state": \.state, "other": \.other, "squares": \.squares, "rows": \.rows,
        "columns": \.columns, "rowStride": \.rowStride, "columnStride": \.columnStride,
        "number": \.number, "unused": \.unused,
      ]),
    SharedType(
      descent_matrix_block.self,
      ["matrix": \.matrix, "row": \.row, "column": \.column, "unused": \.unused]),
    SharedType(
      descent_matrix_step.self,
      [
        "kind": \.kind, "out": \.out, "first": \.first, "second": \.second,
        "addend": \.addend, "adds": \.adds, "alpha": \.alpha, "beta": \.beta,
      ]),
  ]
}

/// The types that OpenCL devices, C and Swift share have one layout in all three.
@Suite struct SharedTypesTests {
  private static var text: String { String(cString: descent_program_texts().types) }

  @Test("every type of types.h is compared here, member by member")
  func complete() throws {
    var declared: [String] = []
    let code = Self.text.split(separator: "\n").map { $0.components(separatedBy: "//")[0] }
      .joined(separator: "\n")
    for part in code.components(separatedBy: "typedef struct {").dropFirst() {
      let body = part.components(separatedBy: "}")
      let name = body[1].components(separatedBy: ";")[0].trimmingCharacters(in: .whitespaces)
      let members = body[0].split(separator: ";").flatMap { declaration in
        declaration.split { " ,\n".contains($0) }.dropFirst()
      }
      declared.append("\(name): \(members.joined(separator: " "))")
    }
    let compared = SharedType.all.map {
      "\($0.name): \($0.members.map(\.name).joined(separator: " "))"
    }
    #expect(declared == compared && declared.count > 6)
  }

  @Test("the generic Preparation is types.h's in Float, by size and offsets")
  func preparation() throws {
    typealias Twin = Preparation<Float>
    #expect(MemoryLayout<Twin>.size == MemoryLayout<descent_preparation>.size)
    #expect(MemoryLayout<Twin>.stride == MemoryLayout<descent_preparation>.stride)
    #expect(MemoryLayout<Twin>.alignment == MemoryLayout<descent_preparation>.alignment)
    let twin = Mirror(reflecting: Preparation<Float>(SGD(), gradientScale: 1))
    #expect(
      twin.children.map(\.label) == [
        "gradientScale", "limit", "coupledDecay", "decoupledDecay", "averageWeight",
      ])
    for (own, shared) in [
      (\.gradientScale, \.gradientScale), (\.limit, \.limit), (\.coupledDecay, \.coupledDecay),
      (\.decoupledDecay, \.decoupledDecay), (\.averageWeight, \.averageWeight),
    ] as [(PartialKeyPath<Twin>, PartialKeyPath<descent_preparation>)] {
      let offset = try #require(MemoryLayout<Twin>.offset(of: own))
      #expect(offset == MemoryLayout<descent_preparation>.offset(of: shared), "\(own)")
    }
  }

  @Test("a group's row is descent_group and the scalars, without a gap")
  func row() throws {
    #expect(GroupRow.preparationSize == MemoryLayout<Preparation<Float>>.size)
    #expect(MemoryLayout<descent_group>.offset(of: \.preparation) == 0)
    #expect(MemoryLayout<descent_group>.offset(of: \.isFrozen) == GroupRow.frozenOffset)
    #expect(MemoryLayout<descent_group>.stride == GroupRow.scalarsOffset)
    for rule in CompiledRule.all {
      #expect(GroupRow.stride(rule) == GroupRow.scalarsOffset + rule.scalarsSize)
      let most = rule.pass == Int(DESCENT_NUMBERS) ? DESCENT_MOST_NUMBERS : DESCENT_MOST_STATES
      #expect(rule.stateCount <= Int(most), "\(rule.name)")
    }
  }

  @Test("what a step writes for a group is at the row's offsets")
  func written() throws {
    var layout = try ParameterLayout(count: 3)
    try layout.append("cold", shape: [2], group: "cold")
    try layout.setGroup("cold", to: ParameterGroup(isFrozen: true))
    let rule = Momentum(learningRate: 0.25, momentum: 0.5, weightDecay: 0.125)
    let groups = try GroupRules(rule, layout)
    let stride = GroupRow.stride(try CompiledRule(rule.kernel))
    var bytes = [UInt8](repeating: 0xff, count: 3 * stride)
    bytes.withUnsafeMutableBytes { memory in
      StepInput(groups: groups, gradientScale: 2).write(to: memory, stride: stride, program: 0)
      for (index, isFrozen) in [false, true, true].enumerated() {
        let row = UnsafeRawBufferPointer(rebasing: memory[index * stride..<(index + 1) * stride])
        let group = row.loadUnaligned(as: descent_group.self)
        #expect(group.isFrozen == (isFrozen ? 1 : 0))
        guard index < 2 else { continue }
        #expect(group.preparation.gradientScale == 2 && group.preparation.limit == .infinity)
        #expect(group.preparation.coupledDecay == 0.125 && group.preparation.decoupledDecay == 0)
        let scalars = row.loadUnaligned(
          fromByteOffset: GroupRow.scalarsOffset, as: Momentum.KernelScalars.self)
        let expected: Momentum.KernelScalars = rule.scalars(at: 1)
        #expect("\(scalars)" == "\(expected)")
        #expect(row.count == GroupRow.scalarsOffset + MemoryLayout.size(ofValue: scalars))
      }
    }
  }

  #if OpenCL
  /// What a kernel with this body writes, at the end of a program.
  private func results(
    _ count: Int, _ body: String, after program: ProgramText, on queue: CommandQueue
  ) throws -> [UInt32] {
    let text = """
      #define OFFSET(value, member) (uint)((char *)&(value).member - (char *)&(value))
      kernel void layout(global uint *results) {
      \(body)
      }
      """
    var program = program
    program.append(ProgramText.File(name: "layout.cl", text: text))
    let buffer = try Buffer(queue.context, copying: [UInt32](repeating: .max, count: count))
    let kernel = try program.make(in: queue.context).kernel(named: "layout")
    try kernel.setArgument(0, buffer)
    return try buffer.read(on: queue, after: [kernel.enqueue(on: queue, global: 1, local: 1)])
  }

  @Test("sizes and offsets on a device are Swift's", .needsDevice)
  func onDevice() throws {
    var expected: [(what: String, value: Int?)] = []
    var body = ""
    func compare(_ what: String, _ expression: String, _ value: Int?) {
      body += "  results[\(expected.count)] = \(expression);\n"
      expected.append((what, value))
    }
    for type in SharedType.all {
      body += "  \(type.name) own_\(type.name);\n"
      compare(type.name, "sizeof(\(type.name))", type.stride)
      #expect(type.size == type.stride, "\(type.name)")
      for (member, offset) in type.members {
        compare("\(type.name).\(member)", "OFFSET(own_\(type.name), \(member))", offset)
      }
    }
    for queue in try TestDevices.queues.get() {
      let found = try results(
        expected.count, body, after: ProgramText("types", [], defines: []), on: queue)
      for ((what, value), found) in zip(expected, found) {
        #expect(value == Int(found), "\(what) on \(queue.device.name)")
      }
    }
  }

  @Test("a group's row in update.cl is Swift's, for every number of scalars", .needsDevice)
  func rowOnDevice() throws {
    let rules = Dictionary(
      grouping: CompiledRule.all.filter {
        $0.pass == Int(DESCENT_ELEMENTS) && $0.numberCount == 0
      }, by: \.scalarsSize
    ).compactMap(\.value.first)
    #expect(rules.count > 3)
    for queue in try TestDevices.queues.get() {
      for rule in rules {
        let operands =
          [Operand(name: .parameters, isWritten: true), Operand(name: .gradients)]
          + (0..<rule.stateCount).map { Operand(name: .state($0), isWritten: true) }
        let program = UpdatePrograms(rule: rule, context: queue.context).program(
          UpdatePrograms.Kind(operands: operands, isTable: true),
          LaunchShape(lanes: 1, groupSize: 1))
        let found = try results(
          3,
          """
            group_row row;
            results[0] = sizeof(group_row);
            results[1] = OFFSET(row, s);
            results[2] = OFFSET(row, group.isFrozen);
          """, after: program, on: queue)
        let expected = [GroupRow.stride(rule), GroupRow.scalarsOffset, GroupRow.frozenOffset]
        #expect(found.map { Int($0) } == expected, "\(rule.name) on \(queue.device.name)")
      }
    }
  }
  #endif
}
