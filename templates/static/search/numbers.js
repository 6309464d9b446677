// Numbers as the atlas writes them: fixed digits, a true minus sign.

export function decimal(value, digits = 2) {
  const written = Math.abs(value).toFixed(digits);
  return value < 0 && Number(written) !== 0 ? `\u2212${written}` : written;
}

export const percent = (value) => `${decimal(100 * value, 1)}%`;

/** With its sign also if it is positive. */
export function signed(value, digits) {
  const written = decimal(value, digits);
  return value > 0 && Number(written) !== 0 ? `+${written}` : written;
}

export const signedPercent = (value) => `${signed(100 * value, 1)}%`;
