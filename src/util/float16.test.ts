import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fromFloat16, toFloat16 } from './float16.ts'
import { decodeSafetensors } from './safetensors.ts'

/** Written by scripts/fixtures/safetensors_file.py: numbers, and what NumPy 2.4.6 makes of them. */
const { tensors } = decodeSafetensors(
  new Uint8Array(
    readFileSync(new URL('../../test/fixtures/safetensors/half.safetensors', import.meta.url)),
  ),
)
const numbers = tensors.get('numbers')!.data as Float64Array
const half = tensors.get('half')!.data as Uint16Array
const single = tensors.get('single')!.data as Float32Array

test('rounds to what NumPy rounds to: ties, subnormals, the largest, infinity', () => {
  const bits = toFloat16(numbers)
  const wrong = [...numbers.keys()].filter((i) => bits[i] !== half[i])
  expect(wrong.map((i) => [numbers[i], bits[i], half[i]])).toEqual([])
  expect(numbers.length).toBeGreaterThan(250)
})

test('reads what NumPy reads', () => {
  expect(fromFloat16(half)).toEqual(single)
})

test('every half comes back, a NaN as a NaN', () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits)
  const isNumber = (bits: number) => (bits & 0x7fff) <= 0x7c00
  const again = toFloat16(fromFloat16(all))
  expect(again.filter(isNumber)).toEqual(all.filter(isNumber))
  for (const bits of [0x7c01, 0x7fff, 0xfe00]) {
    expect(fromFloat16(Uint16Array.of(bits))[0]).toBeNaN()
    expect(isNumber(again[bits])).toBe(false)
  }
})
