/**
 * One token per byte: 256 of them write everything that UTF-8 can.
 *
 *   "é" → 195 169        "🐋" → 240 159 144 139
 *
 * No text is foreign to it and nothing has to be fitted. The price: letters beyond English take two to four tokens, and a
 * model may stop, or err, in the middle of one. What is no UTF-8 reads as "�".
 */
import { checkIds, type Tokenizer, type TokenizerJSON } from './tokenizer-types';

export class ByteTokenizer implements Tokenizer {
  readonly vocabSize = 256;

  encode(text: string): Int32Array {
    return Int32Array.from(new TextEncoder().encode(text));
  }
  decode(tokens: ArrayLike<number>): string {
    checkIds('ByteTokenizer', tokens, this.vocabSize);
    // Without ignoreBOM a text that begins with a byte order mark would lose it.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  }
  toJSON(): TokenizerJSON {
    return { kind: 'bytes' };
  }
}
