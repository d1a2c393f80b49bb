// The little of Markdown that the runbook is written in: paragraphs, lists, strong words, code, links (their text alone).

import { make } from './dom.js';

const inline = /\*\*([^*]+)\*\*|`([^`]+)`|\[([^\]]+)\]\([^)]*\)/g;

export function write(parent, markdown) {
  parent.replaceChildren();
  for (const block of markdown.split(/\n\s*\n/)) {
    const lines = block.split('\n').filter((line) => line.trim());
    if (lines.length === 0) continue;
    const items = block.trim().split(/\n(?=(?:[-*]|\d+\.) )/);
    if (/^(?:[-*]|\d+\.) /.test(items[0])) {
      const list = make(/^\d/.test(items[0]) ? 'ol' : 'ul');
      for (const item of items) list.append(make('li', {}, ...words(item.replace(/^(?:[-*]|\d+\.) /, ''))));
      parent.append(list);
    } else {
      parent.append(make('p', {}, ...words(block.trim())));
    }
  }
}

function words(text) {
  const line = text.replace(/\s+/g, ' ');
  const parts = [];
  let end = 0;
  for (const match of line.matchAll(inline)) {
    parts.push(line.slice(end, match.index));
    if (match[1] !== undefined) parts.push(make('strong', {}, ...words(match[1])));
    else if (match[2] !== undefined) parts.push(make('code', {}, match[2]));
    else parts.push(...words(match[3]));
    end = match.index + match[0].length;
  }
  parts.push(line.slice(end));
  return parts.filter((part) => part !== '');
}
