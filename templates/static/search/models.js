// The models of the site: where the files of each are, and how the worker is queried about it.

export const addressOf = (path) => new URL(path, location.href).href;

const withAddresses = (files) =>
  Object.fromEntries(
    Object.entries(files).map(([key, file]) => [key, { ...file, address: addressOf(file.path) }]),
  );

/** The files of a model, or of the first one if there is none of that name, for the worker. */
export function sourceOf(site, name) {
  const chosen = site.models.find((model) => model.name === name) ?? site.models[0];
  return {
    ...chosen,
    address: addressOf(chosen.path),
    runtime: withAddresses(site.runtime),
    shared: withAddresses(site.shared),
  };
}
