// Figures as a person reads them aloud: two or three digits and a word for their size. The node's own texts are written alike (src/Texts/Figures.cs).

const digits = (value, places) => value.toLocaleString('en', { minimumFractionDigits: 0, maximumFractionDigits: places });

export function count(value) {
  if (value < 9.95) return digits(value, 1);
  if (value < 9_999.5) return digits(value, 0);
  if (value < 999_500) return `${digits(value / 1e3, 0)} k`;
  if (value < 999_500_000) return `${digits(value / 1e6, value < 9_950_000 ? 1 : 0)} M`;
  return `${digits(value / 1e9, 1)} G`;
}

export function time(seconds) {
  if (seconds === 0) return '0 s';
  if (seconds < 0.0095) return `${digits(seconds * 1e3, 1)} ms`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3, 0)} ms`;
  if (seconds < 9.95) return `${digits(seconds, 1)} s`;
  if (seconds < 119.5) return `${digits(seconds, 0)} s`;
  if (seconds < 7_170) return `${digits(seconds / 60, 0)} min`;
  if (seconds < 172_800) return `${digits(seconds / 3600, 1)} h`;
  if (seconds < 1e9) return `${digits(seconds / 86_400, 0)} d`;
  return 'never';
}

export function bytes(value) {
  if (value < 1024) return `${digits(value, 0)} B`;
  if (value < 1 << 20) return `${digits(value / 1024, 0)} KiB`;
  if (value < 1 << 30) return `${digits(value / (1 << 20), 1)} MiB`;
  return `${digits(value / (1 << 30), 2)} GiB`;
}

/** A value of an alert or a list, with its unit. */
export function measured(value, unit) {
  if (unit === 'seconds') return time(value);
  if (unit === 'bytes') return bytes(value);
  return unit.endsWith('/s') ? `${count(value)} ${unit}` : `${digits(value, 0)} ${unit}`;
}

/** Of the day, in the reader's zone. */
export const clock = (moment) => new Date(moment).toLocaleTimeString('en-GB', { hour12: false });

export const plural = (number, one, many) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** A clause as a sentence. */
export const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}` : '');
