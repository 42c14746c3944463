import DescentKernels
import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Products of matrices, and the rule that is made of them.
@Suite struct MatrixTests {
  // MARK: Steps of the iteration

  /// The memory of one matrix during an iteration.
  private struct Memory: Equatable {
    var state: [Float]
    var workspace: [Float]

    /// Any bits, NaN without its payload.
    var bits: [UInt32] { RulePassTests.bits(state) + RulePassTests.bits(workspace) }
  }

  private static func matrix(_ shorter: Int, _ longer: Int, isTall: Bool) -> descent_matrix {
    descent_matrix(
      state: 3, other: 5, squares: UInt64(5 + shorter * longer), rows: UInt32(shorter),
      columns: UInt32(longer), rowStride: UInt32(isTall ? 1 : longer),
      columnStride: UInt32(isTall ? shorter : 1), number: 1, unused: 0)
  }

  /// What a step of matrix.cl makes, element by element.
  private static func expected(
    _ step: descent_matrix_step, _ own: descent_matrix, _ memory: Memory, _ divisor: Float
  ) -> Memory {
    var result = memory
    let (rows, columns) = (Int(own.rows), Int(own.columns))
    func place(_ operand: UInt32, _ i: Int, _ j: Int) -> Int {
      if operand < UInt32(DESCENT_SQUARE) {
        let start = operand == UInt32(DESCENT_MATRIX) ? own.state : own.other
        return Int(start) + i * Int(own.rowStride) + j * Int(own.columnStride)
      }
      return Int(own.squares) + Int(operand - UInt32(DESCENT_SQUARE)) * rows * rows + i * rows + j
    }
    func element(_ operand: UInt32, _ i: Int, _ j: Int) -> Float {
      let place = place(operand, i, j)
      return operand == UInt32(DESCENT_MATRIX) ? memory.state[place] : memory.workspace[place]
    }
    func set(_ i: Int, _ j: Int, _ value: Float) {
      let place = place(step.out, i, j)
      if step.out == UInt32(DESCENT_MATRIX) {
        result.state[place] = value
      } else {
        result.workspace[place] = value
      }
    }
    let depth = step.first < UInt32(DESCENT_SQUARE) ? columns : rows
    for i in 0..<rows {
      for j in 0..<(step.isSquare ? i + 1 : columns) {
        switch step.kind {
        case UInt32(DESCENT_QUOTIENT): set(i, j, element(step.addend, i, j) / divisor)
        case UInt32(DESCENT_DIAGONAL):
          if i == j { set(i, j, element(step.out, i, j) + step.alpha) }
        default:
          var sum: Float = 0
          for panel in stride(from: 0, to: depth, by: 256) {
            var chain: Float = 0
            for k in panel..<min(panel + 256, depth) {
              let (a, b) = (
                element(step.first, i, k),
                step.isSquare ? element(step.second, j, k) : element(step.second, k, j)
              )
              chain = chain.addingProduct(a, b)
            }
            sum = panel == 0 ? chain : sum + chain
          }
          let product = step.alpha * sum
          let value = step.adds == 0 ? product : step.beta * element(step.addend, i, j) + product
          set(i, j, value)
          if step.isSquare { set(j, i, value) }
        }
      }
    }
    return result
  }

  /// The same by each instruction set and, on devices, in each form.
  private static func results(
    _ step: descent_matrix_step, _ own: descent_matrix, _ memory: Memory, _ numbers: [Float]
  ) throws -> [(String, Memory)] {
    let batch = MatrixPlan.Batch(steps: [step], matrices: [own], piece: 0)
    var results: [(String, Memory)] = []
    for (name, kernels) in HostKernels.available {
      for scale in [1, 3] {
        let (rows, columns) = (
          kernels.matrixTile.rows * scale, kernels.matrixTile.columns * scale
        )
        var memory = memory
        var space = [Float](repeating: .nan, count: descent_block_space(rows, columns))
        let blocks = batch.blocks(ofSquare: step.isSquare, rows: rows, columns: columns)
        withDefaultFloatingPoint {
          for block in blocks {
            withUnsafePointer(to: step) { step in
              withUnsafePointer(to: own) { own in
                withUnsafePointer(to: block) { block in
                  kernels.matrixStep(
                    step, own, block, Int32(rows), Int32(columns), &memory.state,
                    &memory.workspace, numbers, &space)
                }
              }
            }
          }
        }
        results.append(("\(name) \(rows) × \(columns)", memory))
      }
    }
    #if OpenCL
    for queue in try TestDevices.queues.get() {
      var forms = [try MatrixForm(for: queue.device), .items(lanes: 4, rows: 12, columns: 32)]
      if queue.device.maximumWorkGroupSize >= 256 { forms.append(.groups) }
      for form in forms where form.localBytes <= queue.device.localMemory {
        results.append(
          (
            "\(queue.device.name) \(form)",
            try onDevice(step, own, memory, numbers, batch, form, queue)
          ))
      }
    }
    #endif
    return results
  }

  #if OpenCL
  private static func onDevice(
    _ step: descent_matrix_step, _ own: descent_matrix, _ memory: Memory, _ numbers: [Float],
    _ batch: MatrixPlan.Batch, _ form: MatrixForm, _ queue: CommandQueue
  ) throws -> Memory {
    let context = queue.context
    let kernel = try form.kernel(isControlled: false, context, nil)
    let blocks = batch.blocks(
      ofSquare: step.isSquare, rows: form.block.rows, columns: form.block.columns)
    let (state, workspace) = (
      try Buffer(context, copying: memory.state), try Buffer(context, copying: memory.workspace)
    )
    try kernel.setArgument(0, step)
    try kernel.setArgument(1, Buffer(context, copying: [own]))
    try kernel.setArgument(2, Buffer(context, copying: blocks))
    try kernel.setArgument(3, state)
    try kernel.setArgument(4, workspace)
    try kernel.setArgument(5, Buffer(context, copying: numbers))
    let side = form.group
    try kernel.enqueue(
      on: queue, global: (blocks.count * side, side, 1), local: (side, side, 1))
    return Memory(state: try state.read(on: queue), workspace: try workspace.read(on: queue))
  }
  #endif

  /// A number of any bits, or one of moderate size.
  private static func value(_ random: UInt64, isWild: Bool) -> Float {
    if isWild { return Float(bitPattern: UInt32(truncatingIfNeeded: random >> 7)) }
    return Float(random >> 40) / Float(1 << 23) - 1
  }

  @Test(
    "a step has the bits of its definition: every instruction set, every form, every shape",
    arguments: [
      (1, 1), (1, 300), (2, 2), (6, 9), (7, 16), (16, 17), (33, 257), (64, 64), (97, 130),
      (130, 600),
    ], [false, true])
  func steps(_ sides: (Int, Int), isWild: Bool) throws {
    for isTall in [false, true] {
      let own = Self.matrix(sides.0, sides.1, isTall: isTall)
      let (count, square) = (sides.0 * sides.1, sides.0 * sides.0)
      var seed = UInt64(count * 2 + (isTall ? 1 : 0)) << 20
      func next() -> Float {
        seed += 1
        return Self.value(PinnedSteps.mix(seed), isWild: isWild)
      }
      // Elements around the matrix, which stay.
      var memory = Memory(
        state: (0..<count + 6).map { _ in next() },
        workspace: (0..<count + 4 * square + 9).map { _ in next() })
      // Square matrices are symmetric when they are read.
      for k in 0..<4 {
        let start = Int(own.squares) + k * square
        for i in 0..<sides.0 {
          for j in 0..<i {
            memory.workspace[start + j * sides.0 + i] = memory.workspace[start + i * sides.0 + j]
          }
        }
      }
      for form in [false, true] {
        var seen: Set<[UInt32]> = []
        for step in NewtonSchulz().steps(inGramForm: form) {
          let kind = [step.kind, step.out, step.first, step.second, step.addend, step.adds]
          guard seen.insert(kind).inserted else { continue }
          let expected = Self.expected(step, own, memory, 0.7).bits
          for (name, found) in try Self.results(step, own, memory, [0.1, 0.7]) {
            #expect(found.bits == expected, "\(name), \(sides), tall \(isTall), \(step)")
          }
        }
      }
    }
  }

  @Test("a product that underflows keeps its sign: no 0 is added to it")
  func negativeZero() throws {
    let own = Self.matrix(1, 1, isTall: false)
    let step = descent_matrix_step(
      kind: UInt32(DESCENT_PRODUCT), out: UInt32(DESCENT_OTHER), first: UInt32(DESCENT_SQUARE),
      second: UInt32(DESCENT_MATRIX), addend: 0, adds: 0, alpha: 1, beta: 0)
    let memory = Memory(
      state: [0, 0, 0, -0x1p-100], workspace: [0, 0, 0, 0, 0, 9, 0x1p-100])
    for (name, found) in try Self.results(step, own, memory, [1, 1]) {
      #expect(found.workspace[5].bitPattern == Float(-0.0).bitPattern, "\(name)")
    }
  }

  @Test("fma in software rounds once, whatever the bits")
  func fusedMultiplyAdd() throws {
    // The lower triangle of a product of two rows each: fma(b, d, fma(a, c, 0)).
    let own = Self.matrix(2, 2, isTall: false)
    let step = descent_matrix_step(
      kind: UInt32(DESCENT_PRODUCT), out: UInt32(DESCENT_SQUARE) + 2, first: UInt32(DESCENT_SQUARE),
      second: UInt32(DESCENT_SQUARE) + 1, addend: 0, adds: 0, alpha: 1, beta: 0)
    let kernels = try HostKernels(.baseline)
    let (rows, columns) = kernels.matrixTile
    var space = [Float](repeating: 0, count: descent_block_space(rows, columns))
    var state = [Float](repeating: 0, count: 7)
    var block = descent_matrix_block(matrix: 0, row: 0, column: 0, unused: 0)
    var (ownCopy, stepCopy) = (own, step)
    let edges: [Float] = [
      0, -0.0, 1, -1, 0x1p-126, 0x1p-149, -0x1p-149, .greatestFiniteMagnitude, .infinity, .nan,
      0x1.fffffep-1, 0x1.000002p0, 0x1p-75, 0x1.8p-74,
    ]
    for round in 0..<20_000 {
      let values = (0..<8).map { index -> Float in
        let random = PinnedSteps.mix(UInt64(round) << 8 ^ UInt64(index))
        switch random & 7 {
        case 0: return edges[Int(random >> 8) % edges.count]
        // Near each other, so that sums cancel.
        case 1...4:
          return Float(
            bitPattern: 0x3f80_0000 ^ UInt32(truncatingIfNeeded: random >> 32) & 0x8180_0fff)
        default: return Float(bitPattern: UInt32(truncatingIfNeeded: random >> 13))
        }
      }
      var workspace = [Float](repeating: 0, count: 9) + values + [0, 0, 0, 0]
      kernels.matrixStep(
        &stepCopy, &ownCopy, &block, Int32(rows), Int32(columns), &state, &workspace, [1, 1],
        &space)
      for (i, j) in [(0, 0), (1, 0), (1, 1)] {
        let (a, b) = (values[i * 2..<i * 2 + 2], values[4 + j * 2..<6 + j * 2])
        let expected = Float(0).addingProduct(a.first ?? 0, b.first ?? 0)
          .addingProduct(a.last ?? 0, b.last ?? 0)
        let found = workspace[17 + i * 2 + j]
        #expect(
          RulePassTests.bits([found]) == RulePassTests.bits([expected]),
          "\(a), \(b): \(found), not \(expected)")
      }
    }
  }

  @Test("the blocks of a result are its elements, each once")
  func blocks() {
    var random = UInt64(7)
    for _ in 0..<200 {
      let sides = (0..<4).map { _ -> Int in
        random = PinnedSteps.mix(random)
        return Int(random % 90) + 1
      }
      let matrices = [(sides[0], sides[1]), (sides[2], 3 * sides[2])].map {
        Self.matrix(min($0.0, $0.1), max($0.0, $0.1), isTall: false)
      }
      let (rows, columns) = (sides[3], Int(random >> 32) % 50 + 1)
      let batch = MatrixPlan.Batch(steps: [], matrices: matrices, piece: 0)
      for isSquare in [false, true] {
        var seen: [[Int]: Int] = [:]
        for block in batch.blocks(ofSquare: isSquare, rows: rows, columns: columns) {
          let own = matrices[Int(block.matrix)]
          let width = isSquare ? own.rows : own.columns
          for i in block.row..<min(block.row + UInt32(rows), own.rows) {
            for j in block.column..<min(block.column + UInt32(columns), width)
            where !isSquare || j <= i {
              seen[[Int(block.matrix), Int(i), Int(j)], default: 0] += 1
            }
          }
        }
        let expected = matrices.reduce(0) {
          let rows = Int($1.rows)
          return $0 + (isSquare ? rows * (rows + 1) / 2 : rows * Int($1.columns))
        }
        #expect(seen.count == expected && Set(seen.values) == [1])
      }
    }
  }

  @Test("batches have every matrix of a form once, within a piece and the workspace")
  func batches() {
    let matrices = (0..<40).map { index in
      TensorMatrix(rows: index % 7 + 1, columns: index % 5 + 2, start: index * 60, number: index)
    }
    for limit in [1, 100, 1000, 1 << 20] {
      for pieces in [Pieces(count: 2400), Pieces(counts: [600, 0, 1800])] {
        let plan = MatrixPlan(NewtonSchulz(), over: matrices, pieces: pieces, workspace: limit)
        let most = MatrixPlan.workspace(of: matrices, atMost: limit)
        var seen: [Int] = []
        for batch in plan.batches {
          let own = batch.matrices.map { matrices[Int($0.number)] }
          #expect(Set(own.map(\.usesGramForm)).count == 1)
          #expect(own.reduce(0) { $0 + $1.workspace } <= most)
          for (matrix, own) in zip(batch.matrices, own) {
            #expect(pieces[batch.piece].lowerBound + Int(matrix.state) == own.start)
            #expect(Int(matrix.squares) >= Int(matrix.other) + own.count)
          }
          seen += batch.matrices.map { Int($0.number) }
        }
        #expect(seen.sorted() == Array(0..<40))
      }
    }
  }

  // MARK: The rule

  private static func layout(_ shapes: [[Int]]) throws -> ParameterLayout {
    var layout = ParameterLayout()
    for (index, shape) in shapes.enumerated() { try layout.append("t\(index)", shape: shape) }
    return layout
  }

  private static func values(_ count: Int, _ seed: UInt64) -> [Float] {
    (0..<count).map { value(PinnedSteps.mix(seed << 32 ^ UInt64($0)), isWild: false) }
  }

  @Test("a tall matrix goes where the wide one goes that is its transpose")
  func transpose() throws {
    for choice in try TestEngines.choices() {
      let wide = try Optimizer(
        Muon(adjustsRate: false), layout: Self.layout([[20, 70]]), on: choice)
      let tall = try Optimizer(
        Muon(adjustsRate: false), layout: Self.layout([[70, 20]]), on: choice)
      func transposed(_ values: [Float]) -> [Float] {
        (0..<1400).map { values[$0 % 20 * 70 + $0 / 20] }
      }
      var x = Self.values(1400, 1)
      var y = transposed(x)
      for step in 2...4 {
        let g = Self.values(1400, UInt64(step))
        try wide.step(&x, gradients: g)
        try tall.step(&y, gradients: transposed(g))
      }
      // But for the norm, whose terms have another order.
      for (a, b) in zip(transposed(x), y) { #expect(abs(a - b) < 1e-5, "\(choice)") }
    }
  }

  @Test("a tensor of several sizes is a matrix of its first size")
  func convolution() throws {
    for choice in try TestEngines.choices() {
      let tensor = try Optimizer(Muon(), layout: Self.layout([[8, 3, 5, 2]]), on: choice)
      let matrix = try Optimizer(Muon(), layout: Self.layout([[8, 30]]), on: choice)
      var x = Self.values(240, 1)
      var y = x
      for step in 2...3 {
        try tensor.step(&x, gradients: Self.values(240, UInt64(step)))
        try matrix.step(&y, gradients: Self.values(240, UInt64(step)))
      }
      #expect(x == y)
    }
  }

  /// Σ of squares of the elements of OOᵀ − I, relative to the number of rows: 0 where all singular
  /// values are 1.
  private static func distanceFromOrthogonal(_ step: [Float], _ rows: Int) -> Double {
    let columns = step.count / rows
    var sum = 0.0
    for i in 0..<rows {
      for j in 0..<rows {
        let dot = (0..<columns).reduce(0.0) {
          $0 + Double(step[i * columns + $1]) * Double(step[j * columns + $1])
        }
        sum += (dot - (i == j ? 1 : 0)) * (dot - (i == j ? 1 : 0))
      }
    }
    return (sum / Double(rows)).squareRoot()
  }

  @Test("a step is nearly orthogonal, of η's length in every direction, whatever the gradient's")
  func orthogonal() throws {
    for choice in try TestEngines.choices() {
      for scale in [Float(1), 1e-20, 1e20] {
        let optimizer = try Optimizer(
          Muon(learningRate: 1, epsilon: 0, adjustsRate: false), layout: Self.layout([[12, 31]]),
          on: choice)
        var x = [Float](repeating: 0, count: 12 * 31)
        try optimizer.step(&x, gradients: Self.values(x.count, 3).map { $0 * scale })
        #expect(Self.distanceFromOrthogonal(x.map { -$0 }, 12) < 0.35, "\(choice) \(scale)")
      }
    }
  }

  @Test("without a gradient nothing moves; a step of finite gradients is finite")
  func extremes() throws {
    for choice in try TestEngines.choices() {
      for rule in [Muon(epsilon: 0), Muon()] {
        let optimizer = try Optimizer(
          rule, layout: Self.layout([[3, 4], [5, 5], [0, 7], [7, 0]]), on: choice)
        var x = Self.values(37, 1)
        let before = x
        try optimizer.step(&x, gradients: [Float](repeating: 0, count: 37))
        #expect(x == before)
        for size in [Float(1e-44), 1e-30, 1e30, 1e38] {
          try optimizer.reset()
          let before = x
          try optimizer.step(&x, gradients: Self.values(37, 2).map { $0 * size })
          #expect(x.allSatisfy { $0.isFinite }, "\(choice) \(rule) \(size)")
          // The first norm is below ε, the last of the larger matrix more than a Float.
          if size == 1e-30 && rule.epsilon == 0 || size == 1e30 { #expect(x != before) }
          if size == 1e38 { #expect(x[12...] == before[12...]) }
        }
      }
    }
  }

  @Test("a rate that follows the shape, as each library has it")
  func rates() throws {
    let shapes = [[4, 16], [16, 4]]
    let forms: [(Muon, [Double])] = [
      (.kellerJordan(learningRate: 1), [1, 2]),
      (.pyTorch(learningRate: 1, weightDecay: 0), [1, 2]),
      (.pyTorch(learningRate: 1, weightDecay: 0, matchesAdamWRMS: true), [0.8, 0.8]),
      (.keras(learningRate: 1, weightDecay: 0), [0.8, 0.8]),
      (.keras(learningRate: 1, weightDecay: 0, rmsRate: nil), [1, 1]),
      (.optax(learningRate: 1), [2, 1]), (.optax(learningRate: 1, consistentRMS: 0.5), [2, 2]),
    ]
    for (rule, factors) in forms {
      let optimizer = try Optimizer(rule, layout: Self.layout(shapes), on: .cpu)
      var x = [Float](repeating: 0, count: 128)
      try optimizer.step(&x, gradients: Self.values(128, 4))
      for (tensor, factor) in zip(optimizer.layout.tensors, factors) {
        let length = x[tensor.range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        // Singular values scatter around 1.
        #expect((0.7...1.25).contains(length / (2 * factor)), "\(rule) \(tensor.name)")
      }
    }
  }

  @Test("a vector is refused by name, with what to do")
  func refused() throws {
    for shape in [[10], []] {
      let layout = try Self.layout([[2, 3], shape])
      for choice in try TestEngines.choices() {
        #expect {
          try Optimizer(Muon(), layout: layout, on: choice)
        } throws: { error in
          "\(error)".contains("tensor \"t1\": muon is for matrices, and its shape is \(shape)")
            && "\(error)".contains("AdamW()")
        }
      }
    }
    #expect(throws: DescentError.self) {
      try Optimizer(Muon(), layout: Self.layout([[1, 1 << 16, 1 << 16]]), on: .reference)
    }
    for rule in [
      Muon(newtonSchulzSteps: 2.5), Muon(newtonSchulzSteps: 1e9), Muon(newtonSchulzA: .nan),
      Muon(rmsRate: 0.2, inputsFirst: true), Muon(biasCorrection: true),
    ] {
      #expect(throws: DescentError.self) {
        try Optimizer(rule, layout: Self.layout([[2, 3]]), on: .reference)
      }
    }
  }

  @Test("two iterations share a workspace, as two optimizers would have their own")
  func twoIterations() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [30, 90])
    try layout.append("b", shape: [50, 20], group: "others")
    let other = Muon(newtonSchulzSteps: 3)
    for choice in try TestEngines.choices() {
      let whole = try Optimizer(Muon(), layout: layout, rules: ["others": other], on: choice)
      let own = [
        try Optimizer(Muon(), layout: Self.layout([[30, 90]]), on: choice),
        try Optimizer(other, layout: Self.layout([[50, 20]]), on: choice),
      ]
      var x = Self.values(layout.count, 1)
      var (a, b) = (Array(x[..<2700]), Array(x[2700...]))
      for step in 2...4 {
        let g = Self.values(layout.count, UInt64(step))
        try whole.step(&x, gradients: g)
        try own[0].step(&a, gradients: Array(g[..<2700]))
        try own[1].step(&b, gradients: Array(g[2700...]))
      }
      #expect(x == a + b, "\(choice)")
    }
  }

  @Test("several batches give the bits of one")
  func severalBatches() throws {
    let layout = try Self.layout([
      [40, 90], [90, 40], [33, 33], [70, 70], [20, 300], [300, 20],
    ])
    func run(_ choice: EngineChoice) throws -> [Float] {
      let optimizer = try Optimizer(Muon(), layout: layout, on: choice)
      var x = Self.values(layout.count, 1)
      for step in 2...4 {
        try optimizer.step(&x, gradients: Self.values(layout.count, UInt64(step)))
      }
      return x
    }
    let expected = try run(.reference)
    // A batch for each matrix, and for two or three.
    for workspace in [1, 30_000] {
      for threads in [1, 3] {
        let choice = EngineChoice.cpu(
          threads: threads, instructions: nil, matrixWorkspace: workspace)
        #expect(try run(choice) == expected)
      }
    }
  }

  @Test("other tensors follow their own rule, as two optimizers would")
  func groups() throws {
    var layout = ParameterLayout()
    var parts = [ParameterLayout(), ParameterLayout()]
    for (name, shape) in [
      ("w1", [9, 40]), ("b1", [9]), ("w2", [30, 9]), ("b2", [30]),
    ] as [(String, [Int])] {
      try layout.append(name, shape: shape, group: shape.count > 1 ? "default" : "others")
      try parts[shape.count > 1 ? 0 : 1].append(name, shape: shape)
    }
    for choice in try TestEngines.choices() {
      let whole = try Optimizer(Muon(), layout: layout, rules: ["others": AdamW()], on: choice)
      let own = [
        try Optimizer(Muon(), layout: parts[0], on: choice),
        try Optimizer(AdamW(), layout: parts[1], on: choice),
      ]
      var x = Self.values(layout.count, 1)
      var split = parts.map { part in
        part.tensors.flatMap { tensor in layout[tensor.name].map { Array(x[$0.range]) } ?? [] }
      }
      for step in 2...5 {
        let g = Self.values(layout.count, UInt64(step))
        try whole.step(&x, gradients: g)
        for index in 0...1 {
          let part = parts[index].tensors.flatMap { tensor in
            layout[tensor.name].map { Array(g[$0.range]) } ?? []
          }
          try own[index].step(&split[index], gradients: part)
        }
      }
      for (part, values) in zip(parts, split) {
        for tensor in part.tensors {
          let place = try #require(layout[tensor.name])
          #expect(Array(x[place.range]) == Array(values[tensor.range]), "\(choice) \(tensor.name)")
        }
      }
      #expect(whole.stateNames == ["b", "m", "v"])
    }
  }
}
