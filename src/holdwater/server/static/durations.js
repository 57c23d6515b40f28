// Durations, in the words of `presentation.py`.

import { setText } from './lib.js';

export function formatDuration(seconds) {
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const two = (n) => String(n).padStart(2, '0');
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
}

// Bring the durations of what still goes on up to date.
export function count(elements) {
  for (const element of elements) {
    const seconds = Math.max(0, (Date.now() - Date.parse(element.dataset.since)) / 1000);
    setText(element, formatDuration(seconds < 60 ? Math.floor(seconds) || seconds : seconds));
  }
}
